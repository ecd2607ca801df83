"""Budgets of keys and the cap of an account: taken with the hold, given back with it, exact under any race."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.core.management import call_command

from accounts.models import Account, ApiKey
from billing import budgets
from billing.models import Budget
from generation.models import Route, Task
from tests.customer import Customer, at_once
from tests.generation.conftest import ended

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def alice(on_sale: None) -> Customer:
    return Customer()


def limit(customer: Customer, **fields: object) -> None:
    ApiKey.objects.filter(pk=customer.key.pk).update(**fields)


def test_it_works(alice: Customer) -> None:
    limit(alice, budget=25_000, budget_period="day")
    assert [alice.generate().status for _ in range(3)] == [202, 202, 403]
    refused = alice.generate()
    assert refused.refusal == (403, "INSUFFICIENT_BALANCE")
    assert refused.error["message"] == "The budget of this API key does not cover this request."
    row = Budget.objects.get()
    assert (row.key, row.limit, row.used) == (alice.key.pk, 25_000, 20_000)
    assert alice.wallet.held == 20_000
    call_command("audit_ledger")


def test_a_race_is_won_as_often_as_the_money_allows(alice: Customer) -> None:
    limit(alice, budget=70_000)
    statuses = at_once(20, lambda _: alice.generate().status)
    assert sorted(statuses) == [202] * 7 + [403] * 13
    assert Budget.objects.get().used == 70_000
    call_command("audit_ledger")


def test_the_monthly_cap_is_for_all_keys_and_live_money(
    alice: Customer, customer: Customer, add_route: Callable[..., Route]
) -> None:
    add_route("http://127.0.0.1:1")
    Account.objects.update(monthly_cap=20_000)
    limit(customer, budget=100_000)
    other = Customer(mode="live")
    assert [alice.generate().status for _ in range(3)] == [202] * 3  # play money is not capped
    assert [customer.generate().status, other.generate().status] == [202, 202]
    refused = customer.generate()
    assert refused.refusal == (403, "INSUFFICIENT_BALANCE")
    assert refused.error["message"] == "The account's monthly cap does not cover this request."
    assert sorted(Budget.objects.values_list("key", "used")) == [(0, 20_000), (customer.key.pk, 10_000)]
    call_command("audit_ledger")


def test_what_is_not_spent_goes_back_to_the_period_it_came_from(alice: Customer, engine: object) -> None:
    limit(alice, budget=40_000, budget_period="day")
    task = Task.objects.get(pk=alice.generate(num_outputs=4, prompt="an egg sandbox:partial").data["id"])
    Budget.objects.update(period_start=datetime(2026, 1, 1, tzinfo=UTC))  # a new day has begun
    assert alice.generate(prompt="an egg sandbox:slow=5").status == 202
    assert ended(task).cost < 40_000
    old, new = Budget.objects.order_by("period_start")
    assert (old.used, new.used) == (task.cost, 10_000)
    call_command("audit_ledger")


def test_a_concurrent_task_too_many_is_429(alice: Customer) -> None:
    limit(alice, concurrency=3)
    statuses = at_once(10, lambda _: alice.generate().status)
    assert sorted(statuses) == [202] * 3 + [429] * 7


def test_a_raised_budget_counts_at_once(alice: Customer) -> None:
    limit(alice, budget=10_000)
    assert [alice.generate().status, alice.generate().status] == [202, 403]
    limit(alice, budget=20_000)
    assert alice.generate().status == 202


@pytest.mark.parametrize(
    ("period", "start"),
    [
        ("day", datetime(2026, 11, 19, tzinfo=UTC)),
        ("week", datetime(2026, 11, 16, tzinfo=UTC)),
        ("month", datetime(2026, 11, 1, tzinfo=UTC)),
        ("", budgets.EVER),
    ],
)
def test_periods_begin_at_midnight_utc_and_weeks_on_monday(period: str, start: datetime) -> None:
    assert budgets.period_start(period, datetime(2026, 11, 19, 23, 59, tzinfo=UTC)) == start
