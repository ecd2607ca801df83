"""Saves what a worker learned, in batches, each write void unless the worker still holds its lease."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import orjson
from django.db import connection, transaction
from django.db.models import F

from eggapi import clock, rows
from eggapi.doorbell import ring
from generation import breaker
from generation.models import LEASE, PAID, Attempt, Purchase, Status, Task

OURS = "old.status IN ('pending', 'processing') AND old.lease_token = new.token"


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
    due = {p.task.id: min(now + timedelta(seconds=p.seconds), p.task.deadline_at) for p in batch}
    in_time = rows.update(
        Task,
        ("token", "due"),
        [(p.task.id, p.task.lease_token, rows.text(due[p.task.id])) for p in batch],
        f"SET next_run_at = {rows.as_moment('new.due')}, lease_until = NULL, claims_without_progress = 0"
        f" FROM new WHERE {OURS}",
    )
    write([purchase for p in batch if p.task.id in in_time for purchase in p.purchases])
    late([p for p in batch if p.task.id not in in_time])
    return [p.task.id in in_time for p in batch]


def end_attempt(batch: list[Progress]) -> list[bool]:
    """Ends an attempt that brought no image, so that the next route may be tried; keeps the lease."""
    now = clock.now()
    held = _held(batch)
    breaker.hear(p.attempt for p in batch if p.attempt and p.task.id in held)
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
    return rows.update(
        Task,
        ("token",),
        [(progress.task.id, progress.task.lease_token) for progress in batch],
        f"SET lease_until = %s, claims_without_progress = 0 FROM new WHERE {OURS}",
        [rows.moment(clock.now() + LEASE)],
    )


def late(batch: Sequence[Progress]) -> list[bool]:
    """Keeps for the operator what came after the task had ended, books it as a leak, and has the rest withdrawn."""
    kept = []
    for progress in batch:
        ended_under_us = Task.objects.filter(pk=progress.task.pk, lease_token=progress.task.lease_token)
        status = ended_under_us.values_list("status", flat=True).first()
        kept.append(bool(progress.purchases) and status is not None)
        if kept[-1]:
            paid = {p.pk for p in progress.purchases if p.state in PAID}
            if status == Status.COMPLETED:
                sold = Purchase.objects.filter(pk__in=paid, state=Purchase.State.DONE)
                paid -= set(sold.values_list("pk", flat=True))
            write(progress.purchases)
            Purchase.objects.filter(pk__in=paid).update(leak=F("cost"))
            transaction.on_commit(partial(ring, "generation.tasks.withdraw", task_id=progress.task.id))
    return kept


def write(purchases: Sequence[Purchase]) -> None:
    """Saves purchases as they are; the caller has made sure that they are ours."""
    sql = (
        "UPDATE generation_purchase SET state = %s, outcome = %s, message = %s, upstream_id = %s, polls = %s,"
        " cost = %s, leak = %s, images = %s, give_up_at = %s WHERE client_ref = %s"
    )
    values = [
        (
            *(p.state, p.outcome, p.message, p.upstream_id, p.polls, p.cost, p.leak, orjson.dumps(p.images).decode()),
            rows.moment(p.give_up_at),
            p.pk,
        )
        for p in purchases
    ]
    if values:
        with connection.cursor() as cursor:
            cursor.executemany(sql, values)
