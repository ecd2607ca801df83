"""A refund gives back what a task cost, or a part of it, once."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.models import Account, AuditEntry
from billing import ledger
from billing.audit import audit
from billing.ledger import NotRefundable
from billing.models import LedgerEntry
from eggapi import ids
from tests.billing.till import PRICE, balances, hold, open_account, settle
from tests.customer import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    return open_account(images=10)


@pytest.fixture
def task_id(account: Account) -> str:
    """Of a task that cost three images."""
    task_id = hold(account, 4)
    settle({task_id: 3})
    return task_id


def refund(task_id: str, *options: str, reason: str = "the pictures were blank") -> str:
    out = StringIO()
    call_command("refund", task_id, *options, "--reason", reason, stdout=out)
    return out.getvalue()


def test_it_works(account: Account, task_id: str) -> None:
    assert refund(task_id) == "$0.0300 went back to alice@example.com live.\n"
    assert balances([account]) == [(10 * PRICE, 0)]
    entry = LedgerEntry.objects.get(kind="refund")
    assert (entry.amount, entry.counterpart, entry.task_id, entry.reason) == (
        3 * PRICE,
        "revenue",
        task_id,
        "the pictures were blank",
    )
    noted = AuditEntry.objects.get(action="task.refund")
    assert (noted.target, noted.account, noted.detail) == (
        task_id,
        account,
        {"amount": 3 * PRICE, "reason": "the pictures were blank"},
    )
    assert audit() == []


def test_a_part_can_be_refunded(account: Account, task_id: str) -> None:
    assert refund(task_id, "--amount", "0.01") == "$0.0100 went back to alice@example.com live.\n"
    assert balances([account]) == [(8 * PRICE, 0)]
    assert audit() == []


@pytest.mark.parametrize("amount", ["0.030001", "0", "-0.01", "lots", "99999999999999"])
def test_never_more_than_was_charged(account: Account, task_id: str, amount: str) -> None:
    with pytest.raises(CommandError, match="Nothing changed"):
        refund(task_id, f"--amount={amount}")
    assert balances([account]) == [(7 * PRICE, 0)]
    assert not AuditEntry.objects.exists()


def test_only_once(account: Account, task_id: str) -> None:
    refund(task_id, "--amount", "0.01")
    with pytest.raises(CommandError, match=f"Nothing changed: {task_id} was refunded before"):
        refund(task_id, "--amount", "0.01")
    assert balances([account]) == [(8 * PRICE, 0)]


@pytest.mark.parametrize("images", [0, None], ids=["failed", "under way"])
def test_nothing_that_was_not_charged(account: Account, images: int | None) -> None:
    task_id = hold(account, 4)
    if images is not None:
        settle({task_id: images})
    for unpaid in (task_id, ids.task_id(), "nonsense"):
        with pytest.raises(CommandError, match="nothing was charged for"):
            refund(unpaid)


@pytest.mark.parametrize("reason", ["", "  ", "a" * 201])
def test_it_requires_a_reason(task_id: str, reason: str) -> None:
    with pytest.raises(CommandError, match="The reason must have 1 to 200 characters"):
        refund(task_id, reason=reason)


@pytest.mark.django_db(transaction=True)
def test_many_at_once_refund_once() -> None:
    account = open_account(images=10)
    task_id = hold(account, 4)
    settle({task_id: 3})

    def give_back(n: int) -> bool:
        try:
            ledger.refund(task_id, PRICE, reason=f"{n}")
        except NotRefundable:
            return False
        return True

    assert at_once(8, give_back).count(True) == 1, connection.vendor
    assert balances([account]) == [(8 * PRICE, 0)]
    assert audit() == []
