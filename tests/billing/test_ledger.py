"""Hold, capture, release, credit: what moves, and what cannot."""

from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, DataError, IntegrityError, connection, transaction

from accounts.models import Mode
from billing import ledger
from billing.ledger import Closing, Insufficient, Promise, Settled
from billing.models import Hold, LedgerEntry
from eggapi import clock, money
from tests.billing.till import PRICE, balances, hold, open_account, promise, reserve, settle, wallet_of

pytestmark = pytest.mark.django_db


def entries(task_id: str) -> list[int]:
    return list(LedgerEntry.objects.filter(task_id=task_id).values_list("amount", flat=True))


def test_it_works() -> None:
    account = open_account(images=10)
    task_id = hold(account, 4)
    assert balances([account]) == [(10 * PRICE, 4 * PRICE)]
    assert settle({task_id: 3}) == {task_id: 1}
    assert balances([account]) == [(7 * PRICE, 0)]
    assert entries(task_id) == [-3 * PRICE]
    closed = Hold.objects.get(pk=task_id)
    assert (closed.state, closed.amount, closed.captured) == ("captured", 4 * PRICE, 3 * PRICE)
    assert closed.closed_at is not None


def test_a_release_gives_everything_back() -> None:
    account = open_account(images=10)
    task_id = hold(account, 4)
    settle({task_id: 0})
    assert balances([account]) == [(10 * PRICE, 0)]
    assert entries(task_id) == []
    assert Hold.objects.get(pk=task_id).state == "released"


def test_the_database_stores_whole_micro_dollars() -> None:
    account = open_account(images=10)
    task_id = hold(account, 4)
    with connection.cursor() as cursor:
        cursor.execute("SELECT posted, held FROM billing_wallet WHERE id = %s", [wallet_of(account).pk])
        wallet = cursor.fetchone()
        cursor.execute("SELECT amount, captured FROM billing_hold WHERE task_id = %s", [task_id])
        stored = [*wallet, *cursor.fetchone()]
    assert stored == [100_000, 40_000, 40_000, 0]
    assert {type(value) for value in stored} == {int}


def test_it_opens_a_live_wallet_without_and_a_test_wallet_with_play_money() -> None:
    account = open_account()
    assert list(account.wallets.order_by("mode").values_list("mode", "posted", "held")) == [
        ("live", 0, 0),
        ("test", 100_000_000, 0),
    ]
    assert LedgerEntry.objects.get().counterpart == "promo"


def test_it_holds_no_more_than_is_free() -> None:
    account = open_account(images=6)
    assert len(reserve(promise(account, 2), promise(account, 2))) == 2
    with pytest.raises(Insufficient):
        hold(account, 3)
    assert balances([account]) == [(6 * PRICE, 4 * PRICE)]
    assert hold(account, 2)


def test_a_batch_takes_those_that_fit_in_their_order() -> None:
    account = open_account(images=6)
    wallet_id = wallet_of(account).pk
    asked = [Promise(wallet_id, f"task {count}", count * PRICE) for count in (4, 3, 2, 1)]
    assert ledger.reserve(asked) == [asked[0], asked[2]]
    wallet = wallet_of(account)
    assert (wallet.available, wallet.task_count) == (0, 2)


def test_a_batch_may_span_accounts() -> None:
    alice, bob = open_account(images=5), open_account("bob@example.com", images=5)
    tasks = {hold(alice, 2): 2, hold(bob, 3): 1, hold(bob, 1): 0}
    assert sorted(settle(tasks).values()) == [1, 1, 2]
    assert balances([alice, bob]) == [(3 * PRICE, 0), (4 * PRICE, 0)]


def test_one_account_never_pays_for_another() -> None:
    alice, bob = open_account(), open_account("bob@example.com", images=5)
    with pytest.raises(Insufficient):
        hold(alice)
    assert balances([bob]) == [(5 * PRICE, 0)]


def test_unreserve_undoes_a_reserve() -> None:
    account = open_account(images=6)
    (promise,) = ledger.reserve([Promise(wallet_of(account).pk, "task", 4 * PRICE)])
    ledger.unreserve(promise)
    wallet = wallet_of(account)
    assert (wallet.posted, wallet.held, wallet.task_count) == (6 * PRICE, 0, 0)


def test_events_are_numbered_without_gaps() -> None:
    account = open_account(images=9)
    first, *others = [hold(account) for _ in range(3)]
    assert settle({first: 1}) == {first: 1}
    assert sorted(settle(dict.fromkeys(others, 1)).values()) == [2, 3]


@pytest.mark.parametrize("first", [0, 3])
@pytest.mark.parametrize("second", [0, 3])
def test_a_hold_closes_once(first: int, second: int) -> None:
    account = open_account(images=10)
    task_id, other = hold(account, 4), hold(account)
    settle({task_id: first})
    before = balances([account]), entries(task_id)
    with pytest.raises(Settled):
        settle({task_id: second, other: 1})
    assert (balances([account]), entries(task_id)) == before
    assert Hold.objects.get(pk=other).state == "open"


@pytest.mark.parametrize("images", [5, -1])
def test_it_captures_no_more_than_is_held_and_nothing_negative(images: int) -> None:
    account = open_account(images=10)
    task_id = hold(account, 4)
    with pytest.raises((Settled, IntegrityError)):
        settle({task_id: images})
    assert balances([account]) == [(10 * PRICE, 4 * PRICE)]
    assert entries(task_id) == []


def test_it_rejects_to_close_what_was_never_held() -> None:
    open_account(images=10)
    with pytest.raises(Settled):
        settle({"gen_unknown": 1})


def test_it_rejects_the_same_task_twice_in_a_batch() -> None:
    account = open_account(images=10)
    task_id = hold(account, 4)
    with pytest.raises(Settled), transaction.atomic():
        ledger.close([Closing(task_id, PRICE), Closing(task_id, PRICE)], clock.now())
    assert balances([account]) == [(10 * PRICE, 4 * PRICE)]


def test_nothing_to_close_changes_nothing() -> None:
    assert ledger.close([], clock.now()) == {}


@pytest.mark.parametrize("amount", [0, -PRICE])
def test_it_rejects_a_hold_of_nothing(amount: int) -> None:
    account = open_account(images=10)
    hold(account, 4)
    with pytest.raises(IntegrityError):
        reserve(promise(account, amount // PRICE))
    assert balances([account]) == [(10 * PRICE, 4 * PRICE)]


def test_a_credit_adds_and_takes_back() -> None:
    account = open_account(images=10)
    entry = ledger.credit(account, Mode.LIVE, -4 * PRICE, reason="paid twice")
    assert (entry.amount, entry.kind, entry.counterpart, entry.reason) == (
        -4 * PRICE,
        "credit",
        "adjustment",
        "paid twice",
    )
    assert balances([account]) == [(6 * PRICE, 0)]


def test_a_credit_takes_back_what_is_free_and_not_more() -> None:
    account = open_account(images=10)
    hold(account, 4)
    with pytest.raises(Insufficient):
        ledger.credit(account, Mode.LIVE, -7 * PRICE, reason="too much")
    assert balances([account]) == [(10 * PRICE, 4 * PRICE)]
    ledger.credit(account, Mode.LIVE, -6 * PRICE, reason="all that is free")
    assert balances([account]) == [(4 * PRICE, 4 * PRICE)]


@pytest.mark.parametrize("amount", [0, 2**63, -(2**63), money.LARGEST])
def test_it_rejects_a_credit_of_nothing_or_more_than_a_wallet_can_hold(amount: int) -> None:
    account = open_account(images=10)
    with pytest.raises(ValueError):
        ledger.credit(account, Mode.LIVE, amount, reason="test")
    assert balances([account]) == [(10 * PRICE, 0)]


def test_large_amounts_move_whole() -> None:
    account = open_account(images=500_000)  # $5,000: more micro-dollars than 32 bits hold
    with pytest.raises(Insufficient):
        hold(account, 500_001)
    settle({hold(account, 450_000): 400_000, hold(account, 50_000): 0})
    assert balances([account]) == [(100_000 * PRICE, 0)]
    with pytest.raises(Insufficient):
        ledger.credit(account, Mode.LIVE, -500_000 * PRICE, reason="too much")


def test_a_wallet_can_hold_the_largest_amount() -> None:
    account = open_account()
    ledger.credit(account, Mode.LIVE, money.LARGEST, reason="test")
    everything = Promise(wallet_of(account).pk, "task", money.LARGEST)
    assert [ledger.reserve([everything]), ledger.reserve([everything])] == [[everything], []]
    assert balances([account]) == [(money.LARGEST, money.LARGEST)]


@pytest.mark.parametrize("amount", [Decimal("0.01"), Decimal(1), 0.5, 1.0])
def test_nothing_but_an_int_moves(amount: Any) -> None:
    account = open_account(images=10)
    task_id = hold(account, 4)
    with pytest.raises(TypeError), transaction.atomic():
        ledger.credit(account, Mode.LIVE, amount, reason="test")
    with suppress(TypeError), transaction.atomic():  # where the wallet seems not to cover it, nothing is held
        ledger.write_holds(ledger.reserve([Promise(wallet_of(account).pk, "task", amount)]), clock.now())
    with pytest.raises((TypeError, DatabaseError)), transaction.atomic():
        ledger.close([Closing(task_id, amount)], clock.now())
    assert balances([account]) == [(10 * PRICE, 4 * PRICE)]


def test_it_rejects_an_entry_larger_than_a_column() -> None:
    account = open_account()
    with pytest.raises((OverflowError, DataError)), transaction.atomic():
        LedgerEntry.objects.create(
            wallet=wallet_of(account), kind="credit", counterpart="adjustment", amount=2**63, created_at=clock.now()
        )
