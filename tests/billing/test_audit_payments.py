"""The audit of what moves money in, and back: sound books, and every way in which they can be wrong."""

import pytest
from django.db.models import F

from accounts.models import Account, Mode
from billing import audit, ledger, redeem
from billing.models import LedgerEntry, RedeemCode, Redemption, TopUp, Wallet
from eggapi import clock
from tests.billing.till import PRICE, hold, open_account, settle, wallet_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    """An account with a refund, a code redeemed, and a top-up of $20 of which $15 was taken back, $4 is owed."""
    account = open_account(images=10)
    task_id = hold(account, 4)
    settle({task_id: 3})
    ledger.refund(task_id, PRICE, reason="blank")
    (code,) = redeem.make("spring", 5 * PRICE, 1, 2, None)
    redeem.redeem(account, code)
    pay(account, "top_1", 2000 * PRICE)
    ledger.credit(account, Mode.LIVE, 1100 * PRICE - wallet_of(account).posted, reason="test")
    TopUp.objects.update(taken_back=1500 * PRICE)
    ledger.take_back(account, Mode.LIVE, 1500 * PRICE, reason="top_1 refunded")
    assert (wallet_of(account).posted, wallet_of(account).owed) == (0, 400 * PRICE)
    assert audit.audit() == []
    return account


def pay(account: Account, order: str, amount: int) -> None:
    now = clock.now()
    facts = {"payment": f"pi_{order}", "state": "paid", "created_at": now, "paid_at": now}
    TopUp.objects.create(order=order, account=account, amount=amount, **facts)
    kind, counterpart = LedgerEntry.Kind.TOPUP, LedgerEntry.Counterpart.TOPUP
    ledger.credit(account, Mode.LIVE, amount, reason=order, kind=kind, counterpart=counterpart, reference=f"pi_{order}")


def write_entry(account: Account, kind: str, amount: int, counterpart: str, **facts: str) -> LedgerEntry:
    """An entry that the wallet knows of."""
    Wallet.objects.filter(pk=wallet_of(account).pk).update(posted=F("posted") + amount)
    return LedgerEntry.objects.create(
        wallet=wallet_of(account), kind=kind, amount=amount, counterpart=counterpart, created_at=clock.now(), **facts
    )


def test_it_finds_a_refund_of_more_than_was_charged(account: Account) -> None:
    task_id = hold(open_account("bob@example.com", images=3), 3)
    settle({task_id: 1})
    entry = write_entry(account, "refund", PRICE, "revenue", task_id=task_id)
    assert audit.audit() == [f"entry {entry.pk} refunds $0.0100 for '{task_id}', of which $0.00 was captured"]


def test_it_finds_a_use_that_nobody_made(account: Account) -> None:
    RedeemCode.objects.update(uses_left=0)
    code = RedeemCode.objects.get()
    assert audit.audit() == [f"code {code.display} has 0 of 2 uses left, but was redeemed 1 times"]


def test_it_finds_a_code_that_was_worth_something_else(account: Account) -> None:
    (entry, code) = LedgerEntry.objects.get(kind="redeem"), RedeemCode.objects.get()
    code.batch.amount += 1
    code.batch.save()
    assert audit.audit() == [
        f"code {code.display} of $0.050001 was redeemed by account {account.pk}, but entry {entry.pk} is a redeem of"
        f" $0.0500 in wallet {wallet_of(account).pk}"
    ]


def test_it_finds_money_for_no_code(account: Account) -> None:
    entry = LedgerEntry.objects.get(kind="redeem")
    Redemption.objects.all().delete()
    RedeemCode.objects.update(uses_left=2)
    assert audit.audit() == [f"entry {entry.pk} redeems $0.0500, but no code"]


def test_it_finds_a_payment_that_was_not_credited(account: Account) -> None:
    now = clock.now()
    TopUp.objects.create(
        order="top_2", account=account, amount=PRICE, payment="pi_2", state="paid", created_at=now, paid_at=now
    )
    assert audit.audit() == ["top_2 of $0.0100 is paid, but $0.00 was credited for 'pi_2'"]


def test_it_finds_a_credit_that_was_not_paid(account: Account) -> None:
    TopUp.objects.update(state="open")
    assert audit.audit() == ["top_1 of $20.0000 is open, but $20.0000 was credited for 'pi_top_1'"]


def test_it_finds_a_credit_for_no_order(account: Account) -> None:
    entry = write_entry(account, "topup", PRICE, "topup", reference="pi_3")
    assert audit.audit() == [f"entry {entry.pk} tops up $0.0100 for payment 'pi_3', which is of no order"]


def test_it_finds_a_debt_that_nothing_explains(account: Account) -> None:
    Wallet.objects.filter(pk=wallet_of(account).pk).update(owed=0)
    assert audit.audit() == [
        f"wallet {wallet_of(account).pk} owes $0.00, but $15.0000 of its top-ups was taken back, and $11.0000 from it"
    ]
