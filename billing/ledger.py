"""Hold, capture, release, credit, refund, take back: the only code that moves money.

Every change is a guarded update whose row count is the answer. Rows are locked in one order
everywhere - daily usage, hold, wallet, budget - and within a batch by id, because batches deadlock otherwise.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F

from accounts.models import Account, Mode
from billing import budgets
from billing.models import Hold, LedgerEntry, Wallet
from eggapi import clock, rows
from eggapi.money import LARGEST, display, usd

PLAY_MONEY = 100_000_000  # $100.00
PAID_DEBT = "paid what was owed"


class Insufficient(Exception):
    """The free balance does not cover the amount."""


class NotRefundable(Exception):
    """Why a task cannot be refunded, as a sentence."""


class Settled(Exception):
    """A hold that should be open is not: somebody else settled this task."""


@dataclass(slots=True)
class Promise:
    """Money asked for one task, by `key` (0: by none); the budgets are the ids of the rows it was taken from."""

    wallet_id: int
    task_id: str
    amount: int
    key: int = 0
    key_budget: int = 0
    account_budget: int = 0


@dataclass(frozen=True, slots=True)
class Closing:
    """The end of a hold: `captured` micro-dollars are taken, the rest is given back."""

    task_id: str
    captured: int


def open_wallets(account: Account) -> None:
    """Both wallets of a new account: an empty live one, and a test one with play money."""
    Wallet.objects.bulk_create(Wallet(id=Wallet.id_of(account.pk, mode), account=account, mode=mode) for mode in Mode)
    credit(account, Mode.TEST, PLAY_MONEY, reason="play money", counterpart=LedgerEntry.Counterpart.PROMO)


@transaction.atomic
def credit(
    account: Account,
    mode: Mode,
    amount: int,
    *,
    reason: str,
    kind: LedgerEntry.Kind = LedgerEntry.Kind.CREDIT,
    counterpart: LedgerEntry.Counterpart = LedgerEntry.Counterpart.ADJUSTMENT,
    reference: str = "",
) -> LedgerEntry:
    """Adds `amount` to a wallet, which pays what it owes first, or takes it back where negative.

    Raises Insufficient if less than that is free, ValueError for nothing and for more than a wallet can hold.
    """
    wallet_id = Wallet.id_of(account.pk, mode)
    _add(wallet_id, amount)
    entry = _enter(wallet_id, kind, counterpart, amount, reason=reason, reference=reference)
    _pay_debt(wallet_id, PAID_DEBT)
    return entry


@transaction.atomic
def refund(task_id: str, amount: int | None, *, reason: str) -> LedgerEntry:
    """Gives back what was captured for a task, or `amount` of it; once per task. Raises NotRefundable."""
    hold = Hold.objects.filter(pk=task_id, state=Hold.State.CAPTURED).first()
    if hold is None:
        raise NotRefundable(f"nothing was charged for {task_id!r}")
    amount = hold.captured if amount is None else amount
    if not 0 < amount <= hold.captured:
        raise NotRefundable(f"the amount must be more than nothing and at most the {display(hold.captured)} charged")
    _add(hold.wallet_id, amount)
    # The wallet is locked from here on, so no other refund of this task is half-way.
    if LedgerEntry.objects.filter(task_id=task_id, kind=LedgerEntry.Kind.REFUND).exists():
        raise NotRefundable(f"{task_id} was refunded before")
    kind, counterpart = LedgerEntry.Kind.REFUND, LedgerEntry.Counterpart.REVENUE
    entry = _enter(hold.wallet_id, kind, counterpart, amount, task_id=task_id, reason=reason)
    _pay_debt(hold.wallet_id, PAID_DEBT)
    return entry


@transaction.atomic
def take_back(account: Account, mode: Mode, amount: int, *, reason: str) -> None:
    """Takes money that a payment brought, for the bank took it back: what is free, and the rest is owed."""
    wallet_id = Wallet.id_of(account.pk, mode)
    Wallet.objects.filter(pk=wallet_id).update(owed=F("owed") + usd(amount))
    _pay_debt(wallet_id, reason)


def _add(wallet_id: int, amount: int) -> None:
    """Locks the wallet. Raises Insufficient and ValueError, as `credit` does."""
    if not 0 < abs(amount) <= LARGEST:
        raise ValueError("the amount is nothing or more than a wallet can hold")
    wallet = Wallet.objects.filter(pk=wallet_id, posted__lte=LARGEST - max(amount, 0)).covering(-amount)
    if not wallet.update(posted=F("posted") + usd(amount)):
        raise Insufficient if amount < 0 else ValueError("a wallet cannot hold so much")


def _pay_debt(wallet_id: int, reason: str) -> None:
    """Pays what a wallet owes from what is free in it; the caller's own update has locked its row."""
    wallet = Wallet.objects.get(pk=wallet_id)
    if paid := min(wallet.owed, wallet.available):
        Wallet.objects.filter(pk=wallet_id).update(posted=F("posted") - usd(paid), owed=F("owed") - usd(paid))
        _enter(wallet_id, LedgerEntry.Kind.CHARGEBACK, LedgerEntry.Counterpart.TOPUP, -paid, reason=reason)


def _enter(
    wallet_id: int,
    kind: LedgerEntry.Kind,
    counterpart: LedgerEntry.Counterpart,
    amount: int,
    *,
    reason: str,
    reference: str = "",
    task_id: str = "",
) -> LedgerEntry:
    return LedgerEntry.objects.create(
        wallet_id=wallet_id,
        kind=kind,
        counterpart=counterpart,
        amount=amount,
        task_id=task_id,
        reference=reference,
        reason=reason,
        created_at=clock.now(),
    )


def reserve(promises: Sequence[Promise]) -> list[Promise]:
    """Takes the money of as many promises as the wallets cover, and returns those; in the caller's transaction.

    No wallet has more than EGGAPI_OPEN_TASKS of them open at a time; `is_crowded` tells whether that was why.
    The wallets stay locked until the caller commits, so the caller inserts tasks and holds and nothing else.
    """
    by_wallet: dict[int, list[Promise]] = defaultdict(list)
    for promise in promises:
        by_wallet[promise.wallet_id].append(promise)
    kept: list[Promise] = []
    for wallet_id, asked in sorted(by_wallet.items()):
        if _take(wallet_id, sum(promise.amount for promise in asked), len(asked)):
            kept += asked
        else:
            kept += [promise for promise in asked if _take(wallet_id, promise.amount, 1)]
    return kept


def _take(wallet_id: int, amount: int, tasks: int) -> bool:
    """The hold itself. Hand-written because the ORM takes five times as long to say it, on the hottest path."""
    sql = (
        "UPDATE billing_wallet SET held = held + %s, task_count = task_count + %s, open_holds = open_holds + %s"
        " WHERE id = %s AND posted - held >= %s AND owed = 0 AND open_holds + %s <= %s"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [amount, tasks, tasks, wallet_id, amount, tasks, settings.EGGAPI_OPEN_TASKS])
        return bool(cursor.rowcount)


def is_crowded(wallet_id: int) -> bool:
    """Whether a wallet has as many open holds as it may have."""
    return Wallet.objects.filter(pk=wallet_id, open_holds__gte=settings.EGGAPI_OPEN_TASKS).exists()


def debt_of(wallet_id: int) -> int:
    """What has to be paid before anything can be held."""
    return Wallet.objects.values_list("owed", flat=True).get(pk=wallet_id)


def unreserve(promise: Promise) -> None:
    """Undoes `reserve` for a task that is not made after all, before the commit."""
    wallet = Wallet.objects.filter(pk=promise.wallet_id)
    wallet.update(held=F("held") - usd(promise.amount), task_count=F("task_count") - 1, open_holds=F("open_holds") - 1)


def write_holds(promises: Sequence[Promise], now: datetime) -> None:
    """The rows of what `reserve` took."""
    rows.insert(
        Hold(
            task_id=promise.task_id,
            wallet_id=promise.wallet_id,
            amount=promise.amount,
            key=promise.key,
            key_budget=promise.key_budget,
            account_budget=promise.account_budget,
            created_at=now,
        )
        for promise in promises
    )


def close(closings: Sequence[Closing], now: datetime) -> dict[str, int]:
    """Captures and releases, each hold exactly once; in the caller's transaction.

    Returns {task id: place of its event in the account's order}. Raises Settled (and the caller rolls
    back) if any of these holds is closed already, or would have to give more than it holds.
    """
    closings = sorted(closings, key=lambda closing: closing.task_id)
    _close_holds(closings, now)
    holds = Hold.objects.in_bulk([closing.task_id for closing in closings])
    rows.insert(
        LedgerEntry(
            wallet_id=holds[closing.task_id].wallet_id,
            kind=LedgerEntry.Kind.CAPTURE,
            counterpart=LedgerEntry.Counterpart.REVENUE,
            amount=-closing.captured,
            task_id=closing.task_id,
            created_at=now,
        )
        for closing in closings
        if closing.captured
    )
    places = _close_in_wallets(closings, holds)
    budgets.give_back(each for c in closings for each in budgets.unspent(holds[c.task_id], c.captured))
    return places


def open_holds_of(key: int) -> int:
    """How many unfinished tasks a key has; exact while its account's wallet is locked."""
    return Hold.objects.filter(key=key, state=Hold.State.OPEN).count()


def _close_holds(closings: Sequence[Closing], now: datetime) -> None:
    sql = (
        "UPDATE billing_hold SET state = %s, captured = %s, closed_at = %s"
        " WHERE task_id = %s AND state = 'open' AND amount >= %s"
    )
    moment = connection.ops.adapt_datetimefield_value(now)
    with connection.cursor() as cursor:
        cursor.executemany(
            sql,
            [("captured" if c.captured else "released", c.captured, moment, c.task_id, c.captured) for c in closings],
        )
        if cursor.rowcount != len(closings):
            raise Settled


def _close_in_wallets(closings: Sequence[Closing], holds: dict[str, Hold]) -> dict[str, int]:
    by_wallet: dict[int, list[Closing]] = defaultdict(list)
    for closing in closings:
        by_wallet[holds[closing.task_id].wallet_id].append(closing)
    places: dict[str, int] = {}
    for wallet_id, closed in sorted(by_wallet.items()):
        last = _close_in_wallet(
            wallet_id,
            captured=sum(closing.captured for closing in closed),
            held=sum(holds[closing.task_id].amount for closing in closed),
            events=len(closed),
        )
        first = last - len(closed) + 1
        places |= {closing.task_id: first + offset for offset, closing in enumerate(closed)}
    return places


def _close_in_wallet(wallet_id: int, captured: int, held: int, events: int) -> int:
    """Returns the place of the last event. The wallet's constraints refuse what cannot be.

    What comes free pays what is owed first.
    """
    sql = (
        "UPDATE billing_wallet SET posted = posted - %s, held = held - %s, event_seq = event_seq + %s,"
        " open_holds = open_holds - %s WHERE id = %s RETURNING event_seq, owed"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [captured, held, events, events, wallet_id])
        place, owed = cursor.fetchone()
    if owed:
        _pay_debt(wallet_id, PAID_DEBT)
    return int(place)
