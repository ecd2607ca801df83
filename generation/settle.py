"""Settle: the one way to a terminal state. State, money, usage and event change in one transaction."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import F, Max

from billing import ledger, usage
from billing.ledger import Closing
from billing.models import UsageRecord
from eggapi import clock, envelope, money, rows
from generation import breaker, retention, save, storage, waiting
from generation.models import PAID, Attempt, Output, Purchase, Status, Task
from generation.storage import Picture
from webhooks import events
from webhooks.events import NewEvent
from webhooks.models import Event

ANY_TOKEN = -1


@dataclass(slots=True)
class Ending:
    """How a task is to end: with `pictures` it completes, without it fails for the reason given.

    `fenced` endings are a worker's, and void unless the worker still holds the lease it claimed with.
    `attempt` is the live attempt with its purchases as they now are, saved along.
    """

    task: Task
    ended: str
    error: str = ""
    pictures: Sequence[Picture] = ()
    attempt: Attempt | None = None
    fenced: bool = True
    units: int = field(init=False)

    def __post_init__(self) -> None:
        self.pictures = sorted(self.pictures, key=lambda picture: picture.index)[: self.task.num_outputs]
        self.units = len(self.pictures)

    @property
    def captured(self) -> int:
        return self.units * self.task.unit_price


def settle(endings: list[Ending]) -> list[bool]:
    """Ends tasks, each at most once; True where this call did it.

    Locks in the order task, daily usage, hold, wallet, each kind by id: the wallet, which submissions
    wait for, last.
    """
    now = clock.now()
    won = _move(endings, now)
    ours = [ending for ending in endings if ending.task.id in won]
    breaker.hear(ending.attempt for ending in ours if ending.attempt)
    if late := [ending.task.id for ending in ours if ending.ended == "deadline"]:
        breaker.hear_hung(late, now)
    _end_attempts(ours, now)
    completed = [ending for ending in ours if ending.units]
    usage.record([usage_of(ending, now) for ending in completed])
    rows.insert(
        Output(task_id=ending.task.id, **picture.as_json()) for ending in completed for picture in ending.pictures
    )
    places = ledger.close([Closing(ending.task.id, ending.captured) for ending in ours], now) if ours else {}
    tried = _attempts_made(ours)
    events.publish([event_of(ending, places[ending.task.id], tried[ending.task.id], now) for ending in ours], now)
    if ours:
        transaction.on_commit(partial(waiting.ring, won))
    return [ending.task.id in won for ending in endings]


def _move(endings: Sequence[Ending], now: datetime) -> set[str]:
    """The guarded step into a terminal state: who changes the row settles the task, nobody else."""
    for ending in endings:
        kept_for = timedelta(days=ending.task.retention_days)
        ending.task.expires_at = now + kept_for if ending.units else None
        ending.task.purge_at = retention.purge_at(ending.task, now)
    return rows.update(
        Task,
        ("token", "status", "ended", "error", "units", "expires", "purge"),
        [
            (
                ending.task.id,
                ending.task.lease_token if ending.fenced else ANY_TOKEN,
                Status.COMPLETED.value if ending.units else Status.FAILED.value,
                str(ending.ended),
                "" if ending.units else ending.error[:300],
                ending.units,
                rows.text(ending.task.expires_at or now),
                rows.text(ending.task.purge_at or now),
            )
            for ending in endings
        ],
        "SET status = new.status, ended = new.ended, error = new.error, cost = old.unit_price * new.units,"
        " started_at = COALESCE(old.started_at, %s), completed_at = %s,"
        f" expires_at = CASE WHEN new.units > 0 THEN {rows.as_moment('new.expires')} END,"
        f" purge_at = {rows.as_moment('new.purge')}, next_run_at = NULL, lease_until = NULL"
        " FROM new WHERE old.status IN ('pending', 'processing') AND new.token IN (old.lease_token, -1)",
        [rows.moment(now), rows.moment(now)],
    )


def _end_attempts(endings: Sequence[Ending], now: datetime) -> None:
    """Saves what is known of the live attempts; what was paid for and brought nothing is a leak."""
    for ending in endings:
        for purchase in ending.attempt.bought if ending.attempt and ending.units else ():
            purchase.leak = purchase.cost if purchase.state in PAID and not purchase.images else 0
    save.write([purchase for ending in endings if ending.attempt for purchase in ending.attempt.bought])
    live = Attempt.objects.filter(state=Attempt.State.LIVE)
    completed = [ending.task.id for ending in endings if ending.units]
    failed = [ending for ending in endings if not ending.units]
    if completed:
        live.filter(task_id__in=completed).update(state=Attempt.State.DONE, ended_at=now)
    for ending in failed:
        outcome, message = (ending.attempt.outcome, ending.attempt.message) if ending.attempt else ("", ending.error)
        live.filter(task_id=ending.task.id).update(
            state=Attempt.State.FAILED, ended_at=now, outcome=outcome, message=message[:300]
        )
    if failed:
        unused = Purchase.objects.filter(attempt__task_id__in=[ending.task.id for ending in failed], state__in=PAID)
        unused.update(leak=F("cost"))


def usage_of(ending: Ending, now: datetime) -> UsageRecord:
    """The record of a task that completes `now`."""
    task = ending.task
    return UsageRecord(
        account_id=task.account_id,
        mode=task.mode,
        key_id=task.key_id,
        task_id=task.id,
        model=task.model,
        type=task.type,
        units=ending.units,
        unit_price=task.unit_price,
        cost=ending.captured,
        created_at=now,
    )


def _attempts_made(endings: Sequence[Ending]) -> dict[str, int]:
    """How many routes were tried, by task; the live attempt is the last of them."""
    made = {ending.task.id: ending.attempt.n if ending.attempt else 0 for ending in endings}
    if between := [task_id for task_id, n in made.items() if not n]:
        made |= Attempt.objects.filter(task_id__in=between).values_list("task_id").annotate(Max("n"))
    return made


def event_of(ending: Ending, seq: int, attempts: int, now: datetime) -> NewEvent:
    """What the customer is told of a task that ends `now`; `attempts` is how many routes were tried."""
    kind = Event.Type.COMPLETED if ending.units else Event.Type.FAILED
    task = ending.task
    return NewEvent(
        account_id=task.account_id,
        mode=task.mode,
        seq=seq,
        type=kind,
        task_id=task.id,
        # Not orjson: a customer's metadata may hold numbers that it refuses, and a task must come to its end.
        payload=json.dumps(_payload(ending, kind, attempts, now), separators=(",", ":")).encode(),
        url=task.webhook_url,
    )


def _payload(ending: Ending, kind: Event.Type, attempts: int, now: datetime) -> dict[str, Any]:
    """The webhook's body; its `cost` is a bare decimal of dollars and its `timestamp` Unix seconds."""
    task = ending.task
    output = None
    if ending.units and task.expires_at:
        urls = [storage.url_of(picture.path, task.expires_at, envelope.base_url()) for picture in ending.pictures]
        output = {"url": urls[0], "urls": urls}
    return {
        "event": kind.value,
        "task_id": task.id,
        "status": (Status.COMPLETED if ending.units else Status.FAILED).value,
        "model": task.model,
        "output": output,
        "error": None if ending.units else ending.error[:300],
        "cost": money.bare(ending.captured),
        "timestamp": int(now.timestamp()),
        "data": {
            "metadata": task.metadata,
            "expires_at": task.expires_at and clock.iso(task.expires_at),
            "ended": str(ending.ended),
            "attempts": attempts,
        },
    }
