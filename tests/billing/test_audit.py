"""The audit finds nothing in sound books, and every way in which they can be wrong."""

from datetime import date

import pytest
from django.db import connection
from django.db.models import F

from accounts.models import Account, Mode
from billing import audit, ledger, usage
from billing.models import DailyUsage, Hold, LedgerEntry, UsageRecord, Wallet
from eggapi import clock
from eggapi.audit import MOST_PER_CHECK, snapshot
from tests.billing.till import PRICE, balances, hold, open_account, record_of, settle, wallet_of
from tests.customer import at_once


@pytest.fixture
def account(db: None) -> Account:
    """An account with a bit of everything: a task with 3 of 4 images, one with none, one that waits."""
    account = open_account(images=20)
    settle({hold(account, 4): 3, hold(account, 1): 0})
    hold(account, 2)
    assert audit.audit() == []
    return account


@pytest.fixture
def captured(account: Account) -> str:
    return Hold.objects.get(state="captured").pk


@pytest.fixture
def waiting(account: Account) -> str:
    return Hold.objects.get(state="open").pk


def change(account: Account, **changes: object) -> None:
    Wallet.objects.filter(pk=wallet_of(account).pk).update(**changes)


def write_entry(account: Account, amount: int, **changed: object) -> LedgerEntry:
    """An entry that the wallet knows of."""
    change(account, posted=F("posted") + amount)
    facts = {"kind": "capture", "counterpart": "revenue", "created_at": clock.now()} | changed
    return LedgerEntry.objects.create(wallet=wallet_of(account), amount=amount, **facts)


def test_it_works(account: Account) -> None:
    bob = open_account("bob@example.com", images=5)
    settle({hold(bob): 1})
    ledger.credit(bob, Mode.LIVE, -PRICE, reason="taken back")
    assert audit.audit() == []
    assert audit.totals() == ("4 wallets with $200.2000, $0.0200 of it held; 7 entries, 4 holds, $0.0400 of usage.")


def test_nothing_at_all_agrees(db: None) -> None:
    assert audit.audit() == []
    assert audit.totals() == "0 wallets with $0.00, $0.00 of it held; 0 entries, 0 holds, $0.00 of usage."


def test_it_finds_a_balance_without_entries(account: Account) -> None:
    change(account, posted=F("posted") + 1)
    assert audit.audit() == [
        f"wallet {wallet_of(account).pk} has $0.170001, but its entries sum to $0.1700",
    ]


def test_it_finds_money_held_for_nothing(account: Account) -> None:
    change(account, held=F("held") + PRICE)
    assert audit.audit() == [f"wallet {wallet_of(account).pk} holds $0.0300, but its open holds sum to $0.0200"]


def test_it_finds_an_open_hold_for_which_no_money_is_held(account: Account) -> None:
    change(account, held=0)
    assert audit.audit() == [f"wallet {wallet_of(account).pk} holds $0.00, but its open holds sum to $0.0200"]


def test_it_finds_a_wallet_overdrawn(account: Account) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA ignore_check_constraints = ON")
        else:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("ALTER TABLE billing_wallet DROP CONSTRAINT wallet_never_overdrawn")
        try:
            write_entry(account, -16 * PRICE, kind="credit", counterpart="adjustment")
        finally:
            if connection.vendor == "sqlite":
                cursor.execute("PRAGMA ignore_check_constraints = OFF")
    assert audit.audit() == [f"wallet {wallet_of(account).pk} has $0.0100 and holds $0.0200 of it"]


def test_it_finds_a_wrong_number_of_tasks(account: Account) -> None:
    change(account, task_count=F("task_count") + 1)
    assert audit.audit() == [f"wallet {wallet_of(account).pk} counts 4 tasks, but has 3 holds"]


def test_it_finds_a_wrong_count_of_open_holds(account: Account) -> None:
    change(account, open_holds=7)
    assert audit.audit() == [f"wallet {wallet_of(account).pk} counts 7 open holds, but has 1"]


def test_it_finds_a_captured_hold_without_an_entry(account: Account, waiting: str) -> None:
    Hold.objects.filter(pk=waiting).update(state="captured", captured=PRICE)
    change(account, held=0, open_holds=0)
    assert audit.audit() == [f"{waiting} has its hold captured with $0.0100 captured, but $0.00 captured in the ledger"]


def test_it_finds_a_capture_of_another_amount(captured: str) -> None:
    Hold.objects.filter(pk=captured).update(captured=2 * PRICE)
    assert audit.audit() == [
        f"{captured} has its hold captured with $0.0200 captured, but $0.0300 captured in the ledger"
    ]


def test_it_finds_an_entry_of_a_hold_that_is_open(account: Account, waiting: str) -> None:
    write_entry(account, -PRICE, task_id=waiting)
    usage.record([record_of(account, waiting)])
    assert audit.audit() == [f"{waiting} has its hold open with $0.00 captured, but $0.0100 captured in the ledger"]


def test_it_finds_an_entry_of_a_hold_that_was_released(account: Account) -> None:
    released = Hold.objects.get(state="released").pk
    write_entry(account, -PRICE, task_id=released)
    usage.record([record_of(account, released)])
    assert audit.audit() == [
        f"{released} has its hold released with $0.00 captured, but $0.0100 captured in the ledger"
    ]


def test_it_finds_an_entry_without_a_hold(account: Account) -> None:
    entry = write_entry(account, -PRICE, task_id="gen_nothing")
    usage.record([record_of(account, "gen_nothing")])
    assert audit.audit() == [f"entry {entry.pk} captures $0.0100 for 'gen_nothing', which has no hold"]


def test_it_finds_an_entry_without_a_task(account: Account) -> None:
    entry = write_entry(account, -PRICE)
    assert audit.audit() == [
        f"entry {entry.pk} captures $0.0100 for '', which has no hold",
        " has $0.0100 captured, but a usage of $0.00",
        "the revenue is $0.0400, but the usage sums to $0.0300",
    ]


def test_it_finds_a_capture_from_another_wallet(account: Account, captured: str) -> None:
    bob = open_account("bob@example.com")
    Hold.objects.filter(pk=captured).update(wallet=wallet_of(bob))
    change(account, task_count=2)
    change(bob, task_count=1)
    here, there = wallet_of(account).pk, wallet_of(bob).pk
    assert audit.audit() == [
        f"{captured} has its hold in wallet {there}, but is captured from wallet {here} for revenue"
    ]


def test_it_finds_a_capture_that_is_no_revenue(account: Account, waiting: str) -> None:
    write_entry(account, -PRICE, task_id=waiting, counterpart="promo")
    Hold.objects.filter(pk=waiting).update(state="captured", captured=PRICE)
    usage.record([record_of(account, waiting)])
    change(account, held=0, open_holds=0)
    wallet = wallet_of(account).pk
    assert audit.audit() == [
        f"{waiting} has its hold in wallet {wallet}, but is captured from wallet {wallet} for promo",
        "the revenue is $0.0300, but the usage sums to $0.0400",
    ]


def test_it_finds_a_capture_without_usage(captured: str) -> None:
    UsageRecord.objects.all().delete()
    DailyUsage.objects.all().delete()
    assert audit.audit() == [
        f"{captured} has $0.0300 captured, but a usage of $0.00",
        "the revenue is $0.0300, but the usage sums to $0.00",
    ]


def test_it_finds_usage_of_another_cost(captured: str) -> None:
    UsageRecord.objects.update(cost=2 * PRICE, units=2)
    DailyUsage.objects.update(cost=2 * PRICE, units=2)
    assert audit.audit() == [
        f"{captured} has $0.0300 captured, but a usage of $0.0200",
        "the revenue is $0.0300, but the usage sums to $0.0200",
    ]


def test_it_finds_usage_without_a_capture(account: Account, waiting: str) -> None:
    usage.record([record_of(account, waiting)])
    assert audit.audit() == [
        f"{waiting} has a usage of $0.0100, but nothing captured",
        "the revenue is $0.0300, but the usage sums to $0.0400",
    ]


def test_it_finds_usage_of_another_account(account: Account, captured: str) -> None:
    bob = open_account("bob@example.com")
    for model in (UsageRecord, DailyUsage):
        model.objects.update(account=bob)
    assert audit.audit() == [
        f"{captured} has a usage of account {bob.pk} live, but is captured from wallet {wallet_of(account).pk}"
    ]


def test_it_finds_usage_that_does_not_multiply(captured: str) -> None:
    UsageRecord.objects.update(unit_price=PRICE + 1)
    assert audit.audit() == [f"{captured} has a usage of $0.0300 for 3 units at $0.010001"]


def test_it_finds_a_day_that_says_too_much(account: Account) -> None:
    DailyUsage.objects.update(units=F("units") + 2, cost=F("cost") + 2 * PRICE, requests=F("requests") + 1)
    today = clock.now().date()
    assert audit.audit() == [
        f"{account.pk} live, key 0, nanobanana image_generate on {today}:"
        " the records exceed the day's sums by -2 units, -$0.0200 and -1 requests"
    ]


def test_it_finds_a_day_that_is_another(account: Account) -> None:
    DailyUsage.objects.update(day=date(2001, 2, 3))
    off = "the records exceed the day's sums by"
    kind = f"{account.pk} live, key 0, nanobanana image_generate on"
    assert sorted(audit.audit()) == [
        f"{kind} 2001-02-03: {off} -3 units, -$0.0300 and -1 requests",
        f"{kind} {clock.now().date()}: {off} 3 units, $0.0300 and 1 requests",
    ]


def test_it_finds_revenue_without_usage(account: Account) -> None:
    write_entry(account, -PRICE, kind="credit")
    assert audit.audit() == ["the revenue is $0.0400, but the usage sums to $0.0300"]


def test_it_names_a_few_of_many(account: Account) -> None:
    many = [hold(account) for _ in range(MOST_PER_CHECK + 1)]
    Hold.objects.filter(pk__in=many).update(state="captured", captured=PRICE)
    change(account, held=2 * PRICE, open_holds=1)
    found = audit.audit()
    assert (len(found), found[-1]) == (MOST_PER_CHECK + 1, "... and more like this")


@pytest.mark.django_db(transaction=True)
def test_it_sees_one_moment_and_keeps_nobody_waiting() -> None:
    account = open_account(images=20)
    with snapshot():
        before = audit.totals()
        at_once(2, lambda _: settle({hold(account, 2): 1}))
        assert audit.totals() == before
        assert audit.audit() == []
    assert audit.totals() != before
    assert balances([account]) == [(18 * PRICE, 0)]
    assert audit.audit() == []
