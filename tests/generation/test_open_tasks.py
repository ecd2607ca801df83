"""How many unfinished tasks an account may have: exactly so many, however many ask at once."""

import pytest
from django.db import transaction
from pytest_django import Settings

from generation import engine
from generation.settle import Ending, settle
from tests.customer import Customer, at_once

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def alice(on_sale: None, settings: Settings) -> Customer:
    settings.EGGAPI_OPEN_TASKS = 3
    return Customer()


def test_it_works(alice: Customer) -> None:
    answers = [alice.generate() for _ in range(4)]
    assert [answer.status for answer in answers] == [202, 202, 202, 429]
    assert answers[3].refusal == (429, "RATE_LIMITED")
    assert answers[3].headers["Retry-After"] == "1"


def test_no_more_than_that_pass_at_once(alice: Customer) -> None:
    statuses = at_once(10, lambda _: alice.generate().status)
    assert sorted(statuses) == [202] * 3 + [429] * 7
    assert (alice.wallet.open_holds, alice.wallet.held) == (3, 30_000)


def test_an_ended_task_makes_room(alice: Customer) -> None:
    for _ in range(3):
        alice.generate()
    with transaction.atomic():
        (claim, *_) = engine._claim(1, suspects=False)
        settle([Ending(claim.task, "deadline", "late")])
    assert [alice.generate().status for _ in range(2)] == [202, 429]


def test_another_account_is_not_concerned(alice: Customer) -> None:
    for _ in range(3):
        alice.generate()
    assert Customer("bob@example.com").generate().status == 202
