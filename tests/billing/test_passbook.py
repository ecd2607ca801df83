"""The balance after each entry, whichever entries are looked at."""

import random

import pytest

from accounts.models import Mode
from billing import ledger, passbook
from billing.models import Wallet
from tests.billing.till import hold, open_account, settle

pytestmark = pytest.mark.django_db
DOLLAR = 1_000_000


def test_every_choice_of_entries_has_the_balances_that_were() -> None:
    account, stranger = open_account(images=50), open_account("bob@example.com", images=7)
    dice = random.Random(7)
    for _ in range(12):
        settle({hold(account): 1})
        ledger.credit(account, Mode.LIVE, dice.choice([5, -3]) * 10_000, reason="gift")
        settle({hold(stranger): 0})
    entries = list(passbook.entries_of(account.pk, Mode.LIVE))
    balances, balance = {}, 0
    for entry in reversed(entries):
        balance += entry.amount
        balances[entry.pk] = balance
    assert Wallet.objects.get(pk=entries[0].wallet_id).posted == balance
    for size in (1, 2, 7, len(entries)):
        some = sorted(dice.sample(entries, size), key=lambda entry: -entry.pk)
        assert [(line.entry.pk, line.balance) for line in passbook.lines(some)] == [
            (e.pk, balances[e.pk]) for e in some
        ]


def test_no_entries_have_no_balances() -> None:
    assert passbook.lines([]) == []
