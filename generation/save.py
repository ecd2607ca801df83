"""Saves what a worker learned, in batches, each write void unless the worker still holds its lease."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import orjson
from django.db import connection
from django.db.models import F

from eggapi import clock
from generation.models import LEASE, PAID, UNFINISHED, Attempt, Purchase, Task


@dataclass(slots=True)
class Progress:
    """What is to be saved of a claimed task; `seconds` until it is due again."""

    task: Task
    purchases: Sequence[Purchase] = ()
    attempt: Attempt | None = None
    seconds: float = 0.0


def purchase(batch: list[Progress]) -> list[bool]:
    """Saves purchases at once, while others of the same attempt are still under way."""
    held = _held(batch)
    write([p for progress in batch if progress.task.id in held for p in progress.purchases])
    return [progress.task.id in held for progress in batch]


def pause(batch: list[Progress]) -> list[bool]:
    """Saves purchases, gives the lease back and sets the time of the next step, never past the deadline."""
    now = clock.now()
    done = []
    for progress in batch:
        task = progress.task
        next_run_at = min(now + timedelta(seconds=progress.seconds), task.deadline_at)
        ours = Task.objects.filter(pk=task.pk, lease_token=task.lease_token, status__in=UNFINISHED)
        done.append(bool(ours.update(next_run_at=next_run_at, lease_until=None, claims_without_progress=0)))
    saved = [progress for progress, ok in zip(batch, done, strict=True) if ok]
    write([p for progress in saved for p in progress.purchases])
    _write_late([progress for progress, ok in zip(batch, done, strict=True) if not ok])
    return done


def end_attempt(batch: list[Progress]) -> list[bool]:
    """Ends an attempt that brought no image, so that the next route may be tried; keeps the lease."""
    now = clock.now()
    held = _held(batch)
    for progress in batch:
        attempt = progress.attempt
        if attempt is None or progress.task.id not in held:
            continue
        attempt.state, attempt.ended_at = Attempt.State.FAILED, now
        for bought in attempt.bought:
            bought.leak = bought.cost if bought.state in PAID else 0
        attempt.save(update_fields=["state", "outcome", "message", "retry_after", "ended_at"])
        write(attempt.bought)
    return [progress.task.id in held for progress in batch]


def _held(batch: Sequence[Progress]) -> set[str]:
    """The tasks whose lease is still ours, renewed."""
    until = clock.now() + LEASE
    held = set()
    for progress in batch:
        task = progress.task
        ours = Task.objects.filter(pk=task.pk, lease_token=task.lease_token, status__in=UNFINISHED)
        if ours.update(lease_until=until, claims_without_progress=0):
            held.add(task.id)
    return held


def _write_late(batch: Sequence[Progress]) -> None:
    """A reply that came after the task had ended: kept for the operator, and booked as a leak."""
    for progress in batch:
        ended_under_us = Task.objects.filter(pk=progress.task.pk, lease_token=progress.task.lease_token)
        if progress.purchases and ended_under_us.exists():
            write(progress.purchases)
            paid = [p.pk for p in progress.purchases if p.state in PAID]
            Purchase.objects.filter(pk__in=paid).update(leak=F("cost"))


def write(purchases: Sequence[Purchase]) -> None:
    """Saves purchases as they are; the caller has made sure that they are ours."""
    sql = (
        "UPDATE generation_purchase SET state = %s, outcome = %s, message = %s, upstream_id = %s, polls = %s,"
        " cost = %s, leak = %s, images = %s, give_up_at = %s WHERE client_ref = %s"
    )
    rows = [
        (
            *(p.state, p.outcome, p.message, p.upstream_id, p.polls, p.cost, p.leak, orjson.dumps(p.images).decode()),
            p.give_up_at and connection.ops.adapt_datetimefield_value(p.give_up_at),
            p.pk,
        )
        for p in purchases
    ]
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(sql, rows)
