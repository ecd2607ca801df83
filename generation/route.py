"""Route: choose the next way to buy, and open an attempt on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F
from django.db.models.functions import Coalesce

from eggapi import clock
from eggapi.ids import random_text
from generation import catalog
from generation.catalog import RouteEntry
from generation.models import LEASE, UNFINISHED, Attempt, Purchase, Status, Task
from generation.providers.base import Outcome

LEAST_LEASE = timedelta(seconds=30)
MOST_SENDS_WHEN_BUSY = 3
MOST_SENDS_WHEN_UNREACHABLE = 2
BUSY_WAITS = (2.0, 4.0, 8.0)
NOTHING_BOUGHT = {Purchase.State.REJECTED, Purchase.State.NOT_SENT}


@dataclass(frozen=True, slots=True)
class Wait:
    """The only routes left were busy: come back at `until`."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Exhausted:
    """No route is left for this task."""


@dataclass(slots=True)
class Opening:
    """An attempt to be opened: by which task and lease token, on which route."""

    task: Task
    route: RouteEntry
    n: int


def choose(task: Task, attempts: Sequence[Attempt], now: datetime) -> RouteEntry | Wait | Exhausted:
    """The first usable route, in order of priority, on which nothing may have been bought for this task.

    A route that turned the task away unbought may be asked again, after the wait it named (else 2, 4,
    8 s) and only when no untried route is left.
    """
    model = catalog.current().models.get(task.model)
    able = [route for route in (model.routes if model else ()) if route.mode == task.mode and _serves(route, task)]
    waits: list[tuple[datetime, RouteEntry]] = []
    for route in able:
        before = [attempt for attempt in attempts if attempt.route_id == route.id]
        if not before:
            return route
        if (again_at := _again_at(before)) and again_at < task.deadline_at:
            waits.append((again_at, route))
    if not waits:
        return Exhausted()
    again_at, route = min(waits, key=lambda wait: wait[0])
    return route if again_at <= now else Wait(again_at)


def _serves(route: RouteEntry, task: Task) -> bool:
    can = route.capabilities
    return (
        (not can.resolutions or task.resolution in can.resolutions)
        and (not can.aspect_ratios or task.aspect_ratio in can.aspect_ratios)
        and len(task.image_urls) <= can.max_references
        and len(task.prompt) <= can.prompt_characters
    )


def _again_at(before: Sequence[Attempt]) -> datetime | None:
    """When a route may be asked again, None for never: anything but a clean rejection may have bought something."""
    last = before[-1]
    purchases = [purchase for attempt in before for purchase in attempt.purchases.all()]
    if last.outcome != Outcome.RETRYABLE or any(p.state not in NOTHING_BOUGHT for p in purchases):
        return None
    unreachable = any(p.state == Purchase.State.NOT_SENT for p in purchases)
    if len(before) >= (MOST_SENDS_WHEN_UNREACHABLE if unreachable else MOST_SENDS_WHEN_BUSY):
        return None
    wait = BUSY_WAITS[len(before) - 1] if last.retry_after is None else last.retry_after
    return (last.ended_at or last.started_at) + timedelta(seconds=wait)


def open_attempts(openings: list[Opening]) -> list[Attempt | None]:
    """Writes attempts with their purchases, before any socket opens; one transaction for all.

    None where the task was lost meanwhile: another lease, a cancel, or less than 30 s of lease left.
    """
    now = clock.now()
    opened = [_open(opening, now) if _keep(opening.task, now) else None for opening in openings]
    attempts = [attempt for attempt in opened if attempt]
    Attempt.objects.bulk_create(attempts)
    Purchase.objects.bulk_create(purchase for attempt in attempts for purchase in attempt.bought)
    return opened


def _keep(task: Task, now: datetime) -> bool:
    """Checks the lease for the last time before money is spent, and marks the task as being worked on."""
    ours = Task.objects.filter(
        pk=task.pk, lease_token=task.lease_token, lease_until__gte=now + LEAST_LEASE, status__in=UNFINISHED
    )
    return bool(
        ours.update(
            status=Status.PROCESSING,
            started_at=Coalesce(F("started_at"), now),
            lease_until=now + LEASE,
            claims_without_progress=0,
        )
    )


def _open(opening: Opening, now: datetime) -> Attempt:
    attempt = Attempt(task=opening.task, n=opening.n, route_id=opening.route.id, started_at=now)
    per_call = opening.route.capabilities.images_per_call
    firsts = range(0, opening.task.num_outputs, per_call)
    attempt.bought = [
        Purchase(
            attempt=attempt,
            index=index,
            first_image=first,
            images_asked=min(per_call, opening.task.num_outputs - first),
            client_ref=f"egg_{random_text(28)}",
            cost=opening.route.cost * min(per_call, opening.task.num_outputs - first),
            sent_at=now,
        )
        for index, first in enumerate(firsts)
    ]
    return attempt
