"""Money when many submit at once, and when the process that submits is killed."""

import signal
from collections import Counter

import pytest

from billing.models import Hold
from generation.models import Task
from tests.customer import EGG, Customer, at_once
from tests.forks import Fork
from tests.generation import submitter

PRICE = 10_000

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def alice(on_sale: None) -> Customer:
    return Customer()


def assert_accounted_for(customer: Customer) -> None:
    """The wallet, the holds and the tasks tell the same story."""
    wallet, tasks = customer.wallet, Task.objects.filter(account=customer.account)
    holds = dict(Hold.objects.filter(wallet=wallet).values_list("task_id", "amount"))
    assert holds == {task.id: task.held for task in tasks}
    assert (wallet.held, wallet.task_count) == (sum(holds.values()), len(holds))
    assert 0 <= wallet.held <= wallet.posted


class TestCrowd:
    def test_it_takes_as_many_as_the_money_is_for(self, alice: Customer) -> None:
        alice.leave(6 * PRICE + PRICE - 1)
        answers = at_once(40, lambda _: alice.generate())
        codes = Counter("accepted" if answer.status == 202 else answer.refusal for answer in answers)
        assert codes == {"accepted": 6, (403, "INSUFFICIENT_BALANCE"): 34}
        assert alice.wallet.available == PRICE - 1
        assert_accounted_for(alice)

    def test_a_dear_one_does_not_spoil_the_cheap_ones(self, alice: Customer) -> None:
        alice.leave(8 * PRICE)
        prices = [4, 1, 1, 1, 1, 4, 1, 1, 1, 1]
        answers = at_once(10, lambda n: alice.generate(num_outputs=prices[n]))
        spent = sum(price for price, answer in zip(prices, answers, strict=True) if answer.status == 202)
        assert {answer.status for answer in answers} == {202, 403}
        assert 5 <= spent <= 8
        assert alice.wallet.held == spent * PRICE
        assert_accounted_for(alice)

    def test_accounts_do_not_disturb_each_other(self, alice: Customer) -> None:
        customers = [alice, *(Customer(f"{name}@example.com") for name in ("bob", "carol", "dave"))]
        for customer in customers:
            customer.leave(3 * PRICE)
        answers = at_once(20, lambda n: customers[n % 4].generate())
        assert [answer.status for answer in answers].count(202) == 12
        for customer in customers:
            assert customer.wallet.available == 0
            assert_accounted_for(customer)


def killed(customer: Customer, death: str) -> None:
    assert Fork(submitter.main, customer.secret, death).wait(60) == -signal.SIGKILL


class TestKilled:
    """With SIGKILL, in the middle of the transaction and just after it."""

    def test_nothing_is_left_of_what_was_not_committed(self, alice: Customer) -> None:
        alice.leave(PRICE)
        killed(alice, "before-commit")
        alice.assert_nothing_happened()
        assert alice.wallet.posted == PRICE
        answer = alice.post(EGG, Idempotency_Key="order-7")
        assert (answer.status, "Idempotent-Replayed" in answer.headers) == (202, False)
        assert_accounted_for(alice)

    def test_what_was_committed_is_found_by_its_key(self, alice: Customer) -> None:
        killed(alice, "after-commit")
        answer = alice.post(EGG, Idempotency_Key="order-7")
        assert (answer.status, answer.data["id"]) == (202, Task.objects.get().id)
        assert answer.headers["Idempotent-Replayed"] == "true"
        assert alice.wallet.held == PRICE
        assert_accounted_for(alice)
