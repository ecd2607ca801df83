"""Many at once: the money goes round exactly, and nobody waits for somebody who waits for him."""

import random
import threading
from collections import Counter
from contextlib import suppress
from itertools import chain

import pytest
from django.db import transaction

from accounts.models import Mode
from billing import ledger, usage
from billing.ledger import Insufficient, Settled
from billing.models import DailyUsage, Hold, LedgerEntry
from tests.billing.till import PRICE, balances, hold, open_account, promise, record_of, reserve, settle, wallet_of
from tests.customer import at_once

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(("callers", "images"), [(20, 1), (40, 6)])
def test_exactly_as_many_get_a_hold_as_there_is_money_for(callers: int, images: int) -> None:
    account = open_account(images=images)
    held = at_once(callers, lambda _: reserve(promise(account)))
    assert Counter(map(len, held)) == {1: images, 0: callers - images}
    assert balances([account]) == [(images * PRICE, images * PRICE)]
    assert Hold.objects.count() == wallet_of(account).task_count == images


def test_batches_get_no_more_than_there_is_either() -> None:
    account = open_account(images=30)
    held = at_once(12, lambda n: reserve(*[promise(account, 1 + n % 3) for _ in range(4)]))
    amounts = Hold.objects.filter(pk__in=chain(*held)).values_list("amount", flat=True)
    assert sum(amounts) == wallet_of(account).held
    assert 28 * PRICE < wallet_of(account).held <= 30 * PRICE


def test_a_hold_closed_by_many_moves_money_once() -> None:
    account = open_account(images=10)
    task_id = hold(account, 4)

    def close(n: int) -> int | None:
        with suppress(Settled):
            settle({task_id: n % 4})
            return n % 4
        return None

    results = at_once(8, close)
    assert results.count(None) == 7
    (delivered,) = {images for images in results if images is not None}
    assert balances([account]) == [((10 - delivered) * PRICE, 0)]
    assert list(LedgerEntry.objects.filter(task_id=task_id).values_list("amount", flat=True)) == (
        [-delivered * PRICE] if delivered else []
    )


def test_money_is_taken_back_or_held_but_not_both() -> None:
    account = open_account(images=1)

    def take(n: int) -> bool:
        try:
            if n % 2:
                hold(account)
            else:
                ledger.credit(account, Mode.LIVE, -PRICE, reason="race")
        except Insufficient:
            return False
        return True

    assert at_once(10, take).count(True) == 1
    assert wallet_of(account).available == 0


def test_the_same_batch_in_opposite_orders_does_not_deadlock() -> None:
    accounts = [open_account(f"{n}@example.com", images=500) for n in range(2)]
    for _ in range(5):
        waiting = reserve(*[promise(account) for account in accounts for _ in range(100)])

        def close(n: int, waiting: list[str] = waiting) -> bool:
            with suppress(Settled):
                settle(dict.fromkeys(waiting if n % 2 else reversed(waiting), 1))
                return True
            return False

        assert at_once(4, close).count(True) == 1
    assert balances(accounts) == [(0, 0), (0, 0)]


def test_days_counted_in_opposite_orders_do_not_deadlock() -> None:
    account = open_account()
    models = [f"model-{n}" for n in range(100)]

    def count(n: int) -> None:
        ordered = models if n % 2 else models[::-1]
        with transaction.atomic():
            usage.record([record_of(account, f"{model} {n}", model=model) for model in ordered])

    at_once(4, count)
    assert set(DailyUsage.objects.values_list("requests", flat=True)) == {4}


def test_overlapping_batches_do_not_deadlock() -> None:
    """Settling workers take whatever is there, in any order; a batch that meets a closed hold goes one by one."""
    accounts = [open_account(f"{n}@example.com", images=200) for n in range(4)]
    waiting = [task_id for account in accounts for task_id in reserve(*[promise(account, 2) for _ in range(30)])]
    closed: Counter[str] = Counter()
    guard = threading.Lock()

    def close(batch: dict[str, int]) -> None:
        try:
            settle(batch)
        except Settled:
            for task_id, images in batch.items() if len(batch) > 1 else ():
                close({task_id: images})
        else:
            with guard:
                closed.update(batch.keys())

    def work(n: int) -> None:
        dice = random.Random(n)
        for _ in range(8):
            if n % 4 == 3:
                reserve(*[promise(account) for account in dice.sample(accounts, 3)])
            else:
                close({task_id: dice.randrange(3) for task_id in dice.sample(waiting, 20)})

    at_once(8, work)
    close(dict.fromkeys(waiting, 1))
    assert closed == Counter(waiting)
    assert LedgerEntry.objects.filter(kind="capture").count() == Hold.objects.filter(state="captured").count()
    assert sum(held for _, held in balances(accounts)) == 2 * 8 * 3 * PRICE
