"""History: tasks written with all that they leave behind, as if they had been worked on; the books agree with them."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import attrgetter
from random import Random

from django.db import transaction
from django.db.models import F

from billing import usage
from billing.models import Budget, Hold, LedgerEntry, Wallet
from eggapi import ids, rows
from eggapi.money import usd
from generation import retention, settle
from generation.models import Attempt, Output, Purchase, Status, Task
from generation.settle import Ending
from webhooks.events import host_of
from webhooks.models import Delivery, DeliveryAttempt, Event


@dataclass(slots=True)
class Life:
    """A task with what became of it: without an `ending` it is still waiting.

    `attempts` come with what they `bought`. `budget` is the id of the row that the key's money came from (0: none).
    The event of the ending gets the id `event`, and where the task has a webhook, `calls` are what was tried and
    `next_call_at` when it is tried again.
    """

    task: Task
    event: str
    ending: Ending | None = None
    attempts: Sequence[Attempt] = ()
    budget: int = 0
    calls: Sequence[DeliveryAttempt] = field(default_factory=list)
    next_call_at: datetime | None = None

    @property
    def wallet_id(self) -> int:
        return Wallet.id_of(self.task.account_id, self.task.mode)

    @property
    def captured(self) -> int:
        return self.ending.captured if self.ending else 0

    @property
    def ended_at(self) -> datetime:
        assert self.task.completed_at, "only of a task that has ended"
        return self.task.completed_at


def text(random: Random, prefix: str, length: int = 24) -> str:
    """An id that looks like ours, and is the same for the same dice."""
    return prefix + "".join(random.choices(ids.ALPHANUMERIC, k=length))


def end(task: Task, ending: Ending, started_at: datetime, at: datetime) -> None:
    """Makes the task's row what it is after `ending`."""
    task.status = Status.COMPLETED if ending.units else Status.FAILED
    task.ended, task.error, task.cost = ending.ended, "" if ending.units else ending.error, ending.captured
    task.started_at, task.completed_at, task.next_run_at = started_at, at, None
    task.expires_at = at + timedelta(days=task.retention_days) if ending.units else None
    task.purge_at = retention.purge_at(task, at)


@transaction.atomic
def write(lives: Sequence[Life]) -> None:
    """Adds tasks to what there is. Those that ended are given in the order of their ends, which is that of the events.

    Raises IntegrityError where a wallet does not cover what they cost.
    """
    tries = [attempt for life in lives for attempt in life.attempts]
    ended = [life for life in lives if life.ending]
    completed = [(life.ending, life.ended_at) for life in ended if life.ending and life.ending.units]
    rows.load(life.task for life in lives)
    rows.load(tries)
    rows.load(purchase for attempt in tries for purchase in attempt.bought)
    rows.load(_output(ending.task, **picture.as_json()) for ending, _ in completed for picture in ending.pictures)
    usage.record([settle.usage_of(ending, at) for ending, at in completed])
    rows.load(map(_hold, lives))
    rows.load(_capture(life) for life in lives if life.captured)
    places = _change_wallets(lives)
    _change_budgets(lives)
    rows.load(_event(life, place) for life, place in zip(ended, places, strict=True))
    _deliver([life for life in ended if life.task.webhook_url])


def _output(task: Task, path: str, **fields: object) -> Output:
    """Where nothing is to be purged, it has gone already."""
    return Output(task_id=task.id, path=path if task.purge_at else "", **fields)


def _hold(life: Life) -> Hold:
    task, state = life.task, Hold.State.OPEN
    if life.ending:
        state = Hold.State.CAPTURED if life.captured else Hold.State.RELEASED
    return Hold(
        task_id=task.id,
        wallet_id=life.wallet_id,
        amount=task.held,
        captured=life.captured,
        state=state,
        key=task.key_id or 0,
        key_budget=life.budget,
        created_at=task.created_at,
        closed_at=task.completed_at,
    )


def _capture(life: Life) -> LedgerEntry:
    return LedgerEntry(
        wallet_id=life.wallet_id,
        kind=LedgerEntry.Kind.CAPTURE,
        counterpart=LedgerEntry.Counterpart.REVENUE,
        amount=-life.captured,
        task_id=life.task.id,
        created_at=life.ended_at,
    )


def _change_wallets(lives: Sequence[Life]) -> Iterable[int]:
    """Takes the money; returns the places of the events of those that ended, in their order."""
    by_wallet: dict[int, list[Life]] = defaultdict(list)
    for life in lives:
        by_wallet[life.wallet_id].append(life)
    next_place: dict[int, int] = {}
    for wallet_id, own in sorted(by_wallet.items()):
        waiting = [life.task.held for life in own if not life.ending]
        Wallet.objects.filter(pk=wallet_id).update(
            posted=F("posted") - usd(sum(life.captured for life in own)),
            held=F("held") + usd(sum(waiting)),
            open_holds=F("open_holds") + len(waiting),
            task_count=F("task_count") + len(own),
            event_seq=F("event_seq") + len(own) - len(waiting),
        )
        last = Wallet.objects.values_list("event_seq", flat=True).get(pk=wallet_id)
        next_place[wallet_id] = last - (len(own) - len(waiting)) + 1
    places = []
    for life in lives:
        if life.ending:
            places.append(next_place[life.wallet_id])
            next_place[life.wallet_id] += 1
    return places


def _change_budgets(lives: Sequence[Life]) -> None:
    used: dict[int, int] = defaultdict(int)
    for life in lives:
        if life.budget:
            used[life.budget] += life.captured if life.ending else life.task.held
    for pk, amount in sorted(used.items()):
        Budget.objects.filter(pk=pk).update(used=F("used") + usd(amount))


def _event(life: Life, place: int) -> Event:
    assert life.ending
    told = settle.event_of(life.ending, place, len(life.attempts), life.ended_at)
    return Event(
        id=life.event,
        account_id=told.account_id,
        mode=told.mode,
        seq=told.seq,
        type=told.type,
        task_id=told.task_id,
        payload=told.payload,
        created_at=life.ended_at,
    )


def _deliver(lives: Sequence[Life]) -> None:
    deliveries = Delivery.objects.bulk_create(_delivery(life) for life in lives)
    for life, delivery in zip(lives, deliveries, strict=True):
        for call in life.calls:
            call.delivery_id = delivery.pk
    rows.load(sorted((call for life in lives for call in life.calls), key=attrgetter("at")))


def _delivery(life: Life) -> Delivery:
    task, last = life.task, life.calls[-1] if life.calls else None
    arrived = next((call.at for call in life.calls if not call.error and call.status and call.status < 300), None)
    state = Delivery.State.DELIVERED if arrived else Delivery.State.DUE if life.next_call_at else Delivery.State.FAILED
    return Delivery(
        event_id=life.event,
        account_id=task.account_id,
        mode=task.mode,
        created_at=life.ended_at,
        url=task.webhook_url,
        host=host_of(task.webhook_url),
        state=state,
        attempts=len(life.calls),
        delivered_at=arrived,
        next_run_at=life.next_call_at,
        last_status=last.status if last else None,
        last_error="" if arrived or not last else last.error or f"HTTP {last.status}",
    )


def bought(attempt: Attempt, images: int, per_call: int, cost: int, random: Random) -> list[Purchase]:
    """What an attempt of `images` at `cost` each buys, to be finished by whoever knows what came of it."""
    return [
        Purchase(
            client_ref=text(random, "egg_", 28),
            attempt_id=attempt.id,
            index=index,
            first_image=first,
            images_asked=min(per_call, images - first),
            state=Purchase.State.DONE,
            polls=random.randint(2, 5),
            cost=cost * min(per_call, images - first),
            sent_at=attempt.started_at,
        )
        for index, first in enumerate(range(0, images, per_call))
    ]
