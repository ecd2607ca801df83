"""When work has waited too long, new work is turned away before anything is held."""

from datetime import timedelta

import pytest
from django.db.models import F

from generation import backlog
from generation.models import Task
from tests.customer import Customer

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(on_sale: None) -> Customer:
    return Customer()


def fall_behind(seconds: int) -> None:
    by = timedelta(seconds=seconds)
    Task.objects.update(next_run_at=F("next_run_at") - by, created_at=F("created_at") - by)
    backlog.forget()


def test_it_works(alice: Customer) -> None:
    alice.generate()
    fall_behind(10)
    assert alice.generate().status == 202
    fall_behind(11)
    turned_away = alice.generate()
    assert turned_away.refusal == (503, "SERVICE_UNAVAILABLE")
    assert turned_away.headers["Retry-After"] == "10"
    assert Task.objects.count() == 2
    assert alice.wallet.held == 20_000


def test_replays_and_reads_are_still_answered(alice: Customer) -> None:
    first = alice.generate(prompt="an egg")
    kept = alice.post({"model": "nanobanana", "prompt": "an egg"}, Idempotency_Key="one")
    fall_behind(60)
    again = alice.post({"model": "nanobanana", "prompt": "an egg"}, Idempotency_Key="one")
    assert (again.status, again.data["id"]) == (202, kept.data["id"])
    assert alice.get(f"/v1/tasks/{first.data['id']}").status == 200


def test_it_takes_work_again_when_the_workers_have_caught_up(alice: Customer) -> None:
    alice.generate()
    fall_behind(60)
    assert alice.generate().status == 503
    Task.objects.update(next_run_at=F("next_run_at") + timedelta(seconds=120))
    backlog.forget()
    assert alice.generate().status == 202


def test_what_waits_for_a_vendor_is_not_behind(alice: Customer) -> None:
    alice.generate()
    Task.objects.update(
        created_at=F("created_at") - timedelta(hours=1), next_run_at=F("next_run_at") + timedelta(hours=1)
    )
    backlog.forget()
    assert alice.generate().status == 202
