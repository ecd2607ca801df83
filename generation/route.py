"""Route: choose the next way to buy, and open an attempt on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from eggapi import clock, rows
from eggapi.ids import random_text
from generation import catalog
from generation.catalog import RouteEntry
from generation.models import LEASE, Attempt, Purchase, Task
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


@dataclass(frozen=True, slots=True)
class Gone:
    """The task is no longer ours: another lease, a cancel, or less than 30 s of lease left."""


@dataclass(slots=True)
class Search:
    """A task looking for its next route, with every attempt made so far."""

    task: Task
    attempts: list[Attempt]


def choose(task: Task, attempts: Sequence[Attempt], now: datetime) -> RouteEntry | Wait | Exhausted:
    """The first usable route, in order of priority, on which nothing may have been bought for this task.

    A route that turned the task away unbought may be asked again, after the wait it named (else 2, 4,
    8 s) and only when no untried route is left.
    """
    if task.restored:
        return Exhausted()
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
    purchases = [purchase for attempt in before for purchase in attempt.bought]
    if last.outcome != Outcome.RETRYABLE or any(p.state not in NOTHING_BOUGHT for p in purchases):
        return None
    unreachable = any(p.state == Purchase.State.NOT_SENT for p in purchases)
    if len(before) >= (MOST_SENDS_WHEN_UNREACHABLE if unreachable else MOST_SENDS_WHEN_BUSY):
        return None
    wait = BUSY_WAITS[len(before) - 1] if last.retry_after is None else last.retry_after
    return (last.ended_at or last.started_at) + timedelta(seconds=wait)


def open_next(searches: list[Search]) -> list[Attempt | Wait | Exhausted | Gone]:
    """Chooses a route for each task and writes the attempt with its purchases, before any socket opens."""
    now = clock.now()
    chosen = [choose(search.task, search.attempts, now) for search in searches]
    buyers = [search.task for search, route in zip(searches, chosen, strict=True) if isinstance(route, RouteEntry)]
    kept = _keep(buyers, now)
    found: list[Attempt | Wait | Exhausted | Gone] = []
    for search, route in zip(searches, chosen, strict=True):
        if not isinstance(route, RouteEntry):
            found.append(route)
        else:
            found.append(_attempt(search, route, now) if search.task.id in kept else Gone())
    attempts = [attempt for attempt in found if isinstance(attempt, Attempt)]
    rows.insert(attempts)
    rows.insert(purchase for attempt in attempts for purchase in attempt.bought)
    return found


def _keep(tasks: Sequence[Task], now: datetime) -> set[str]:
    """Checks the leases for the last time before money is spent, and marks the tasks as being worked on."""
    return rows.update(
        Task,
        ("token",),
        [(task.id, task.lease_token) for task in tasks],
        "SET status = 'processing', started_at = COALESCE(old.started_at, %s), lease_until = %s,"
        " claims_without_progress = 0 FROM new WHERE old.status IN ('pending', 'processing')"
        " AND old.lease_token = new.token AND old.lease_until >= %s",
        [rows.moment(now), rows.moment(now + LEASE), rows.moment(now + LEAST_LEASE)],
    )


def _attempt(search: Search, chosen: RouteEntry, now: datetime) -> Attempt:
    n = len(search.attempts) + 1
    attempt = Attempt(
        id=Attempt.id_of(search.task.id, n), task_id=search.task.id, n=n, route_id=chosen.id, started_at=now
    )
    wanted, per_call = search.task.num_outputs, chosen.capabilities.images_per_call
    attempt.bought = [
        Purchase(
            attempt_id=attempt.id,
            index=index,
            first_image=first,
            images_asked=min(per_call, wanted - first),
            client_ref=f"egg_{random_text(28)}",
            cost=chosen.cost * min(per_call, wanted - first),
            sent_at=now,
        )
        for index, first in enumerate(range(0, wanted, per_call))
    ]
    return attempt
