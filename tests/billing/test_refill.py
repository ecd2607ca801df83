"""Play money: brought back to what a test wallet began with, and no further."""

import pytest

from accounts.models import AuditEntry, Mode
from billing import ledger
from billing.audit import audit
from billing.ledger import PLAY_MONEY
from billing.models import LedgerEntry, Wallet
from billing.refill import refill
from tests.billing.till import open_account
from tests.customer import at_once

pytestmark = pytest.mark.django_db
DOLLAR = 1_000_000


def test_it_works() -> None:
    account = open_account()
    ledger.credit(account, Mode.TEST, -30 * DOLLAR, reason="spent")
    assert refill(account, account.members.get()) == 30 * DOLLAR
    wallet = Wallet.objects.get(account=account, mode=Mode.TEST)
    entry = LedgerEntry.objects.latest("pk")
    assert (wallet.available, entry.kind, entry.reason) == (PLAY_MONEY, "credit", "refill")
    entry_of_audit = AuditEntry.objects.get(action="wallet.refill")
    assert (entry_of_audit.account, entry_of_audit.detail) == (account, {"amount": 30 * DOLLAR})
    assert audit() == []


@pytest.mark.parametrize("more", [0, DOLLAR])
def test_a_full_wallet_stays_as_it_is(more: int) -> None:
    account = open_account()
    if more:
        ledger.credit(account, Mode.TEST, more, reason="gift")
    before = LedgerEntry.objects.count()
    assert refill(account) == 0
    assert (LedgerEntry.objects.count(), AuditEntry.objects.filter(action="wallet.refill").count()) == (before, 0)


@pytest.mark.django_db(transaction=True)
def test_many_at_once_fill_it_once() -> None:
    account = open_account()
    ledger.credit(account, Mode.TEST, -30 * DOLLAR, reason="spent")
    assert sorted(at_once(6, lambda _: refill(account))) == [0] * 5 + [30 * DOLLAR]
    assert audit() == []
