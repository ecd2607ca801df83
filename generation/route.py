"""Route: choose the next way to buy, and open an attempt on it."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import Count

from eggapi import clock, rows
from eggapi.ids import random_text
from generation import breaker, catalog, waiting
from generation.breaker import Way, way_of
from generation.catalog import RouteEntry
from generation.models import LEASE, Attempt, Breaker, Provider, Purchase, Strategy, Task
from generation.providers.base import Outcome

LEAST_LEASE = timedelta(seconds=30)
MOST_SENDS_WHEN_BUSY = 3
MOST_SENDS_WHEN_UNREACHABLE = 2
BUSY_WAITS = (2.0, 4.0, 8.0)
FULL_SECONDS = 1.0
NOTHING_BOUGHT = {Purchase.State.REJECTED, Purchase.State.NOT_SENT}


@dataclass(frozen=True, slots=True)
class Wait:
    """The routes left are busy, full or closed just now: come back at `until`."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Exhausted:
    """No route is left for this task."""


@dataclass(frozen=True, slots=True)
class Gone:
    """The task is no longer ours: another lease, a cancel, or less than 30 s of lease left."""


@dataclass(slots=True)
class Search:
    """A task looking for its next route, with every attempt made so far; its largest picture has `heaviest` bytes.

    `chosen` is the route of the attempt that was opened.
    """

    task: Task
    attempts: Sequence[Attempt] = ()
    heaviest: int = 0
    chosen: RouteEntry | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """A route with what speaks against taking it now, empty for nothing, and when that may have passed."""

    route: RouteEntry
    obstacle: str = ""
    until: datetime | None = None


@dataclass(slots=True)
class Traffic:
    """How things stand on the routes at `now`: breakers that are not closed, and live attempts per provider."""

    now: datetime
    breakers: dict[Way, Breaker]
    live: Counter[int]

    @classmethod
    def read(cls) -> "Traffic":
        """Locks the providers that have a limit, so that no two processes fill the last place."""
        limited = [route.provider_id for route in catalog.current().routes.values() if route.concurrency is not None]
        if limited:
            list(
                Provider.objects.select_for_update(no_key=True).filter(pk__in=limited).order_by("pk").values_list("pk")
            )
        return cls(clock.now(), breaker.opened(), _live(limited))

    @classmethod
    def glimpse(cls, routes: Sequence[RouteEntry]) -> "Traffic":
        """On these routes, seen without locking anything: a forecast."""
        limited = [route.provider_id for route in routes if route.concurrency is not None]
        return cls(clock.now(), breaker.opened(), _live(limited))

    def take(self, task: Task, route: RouteEntry) -> None:
        """Counts a task in, and keeps the others of its batch from being probes too."""
        self.live[route.provider_id] += 1
        if tripped := self.breakers.get(way_of(route)):
            tripped.is_probed, tripped.probe_until = True, task.deadline_at


def _live(provider_ids: Sequence[int]) -> Counter[int]:
    """How many attempts are under way, by provider."""
    if not provider_ids:
        return Counter()
    attempts = Attempt.objects.filter(state=Attempt.State.LIVE, route__provider__in=provider_ids)
    return Counter(dict(attempts.values_list("route__provider").annotate(Count("pk"))))


def options(search: Search, traffic: Traffic) -> list[Option]:
    """Every route of the task's model and mode in the order they would be taken, with what speaks against each."""
    task = search.task
    model = catalog.current().models.get(task.model)
    routes = [route for route in (model.routes if model else ()) if route.mode == task.mode]
    return [_option(route, search, traffic) for route in sorted(routes, key=lambda route: _rank(route, task))]


def _rank(route: RouteEntry, task: Task) -> tuple[float, float]:
    """`value` goes by cost, the others by priority; among equals the weights decide, anew for each task."""
    chance = random.Random(f"{task.id}:{route.id}").random()
    cost = route.cost_of(task.resolution, len(task.image_urls))
    return cost if task.strategy == Strategy.VALUE else route.priority, -(chance ** (1 / max(route.weight, 1e-9)))


def _option(route: RouteEntry, search: Search, traffic: Traffic) -> Option:
    task, now = search.task, traffic.now
    if never := _never(route, search, now):
        return Option(route, never)
    waits: list[tuple[str, datetime]] = []
    before = [attempt for attempt in search.attempts if attempt.route_id == route.id]
    if before:
        again_at = _again_at(before)
        if again_at is None:
            return Option(route, "was tried")
        waits.append(("was busy", again_at))
    if (tripped := traffic.breakers.get(way_of(route))) and (until := breaker.closed_until(tripped, now)):
        waits.append((f"its breaker is open: {tripped.reason}", until))
    if route.concurrency is not None and traffic.live[route.provider_id] >= route.concurrency:
        waits.append((f"{route.concurrency} attempts are under way", now + timedelta(seconds=FULL_SECONDS)))
    waits = [(obstacle, until) for obstacle, until in waits if until > now]
    if not waits:
        return Option(route)
    obstacle, until = max(waits, key=lambda wait: wait[1])
    return Option(route, obstacle, until if until < task.deadline_at else None)


def _never(route: RouteEntry, search: Search, now: datetime) -> str:
    """What speaks against a route for good."""
    task = search.task
    if misfits := route.misfits(task):
        return f"cannot serve {', '.join(misfits)}"
    if search.heaviest > route.capabilities.reference_bytes:
        return "takes no picture that large"
    if route.require_margin and route.cost_of(task.resolution, len(task.image_urls)) > task.unit_price:
        return "would lose money"
    if now + timedelta(seconds=route.adapter.shortest) > task.deadline_at:
        return "too little time is left"
    return ""


def choose(search: Search, traffic: Traffic) -> RouteEntry | Wait | Exhausted:
    """The best route with nothing against it, on which nothing may have been bought for this task.

    One that turned the task away unbought may be asked again, after the wait it named (else 2, 4, 8 s)
    and only when no untried route is left.
    """
    if search.task.restored:
        return Exhausted()
    found = options(search, traffic)
    tried = {attempt.route_id for attempt in search.attempts}
    free = [option.route for option in found if not option.obstacle]
    for route in sorted(free, key=lambda route: route.id in tried):
        return route
    untils = [option.until for option in found if option.until]
    return Wait(min(untils)) if untils else Exhausted()


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
    traffic = Traffic.read()
    chosen: list[RouteEntry | Wait | Exhausted] = []
    for search in searches:
        chosen.append(choose(search, traffic))
        if isinstance(chosen[-1], RouteEntry):
            traffic.take(search.task, chosen[-1])
    buyers = [search.task for search, route in zip(searches, chosen, strict=True) if isinstance(route, RouteEntry)]
    kept = _keep(buyers, traffic.now)
    if kept:
        transaction.on_commit(partial(waiting.ring, kept))
    found: list[Attempt | Wait | Exhausted | Gone] = []
    for search, route in zip(searches, chosen, strict=True):
        if not isinstance(route, RouteEntry):
            found.append(route)
        elif search.task.id not in kept:
            found.append(Gone())
        else:
            found.append(_open(search, route, traffic))
    attempts = [attempt for attempt in found if isinstance(attempt, Attempt)]
    rows.insert(attempts)
    rows.insert(purchase for attempt in attempts for purchase in attempt.bought)
    return found


def _open(search: Search, route: RouteEntry, traffic: Traffic) -> Attempt | Wait:
    """The attempt; where it is a probe, only if no other process sends one."""
    search.chosen = route
    attempt = _attempt(search, route, traffic.now)
    tripped = traffic.breakers.get(way_of(route))
    if tripped and not breaker.take_probe(tripped, attempt.id, search.task.deadline_at, traffic.now):
        return Wait(traffic.now + timedelta(seconds=FULL_SECONDS))
    return attempt


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
    cost = chosen.cost_of(search.task.resolution, len(search.task.image_urls))
    attempt.bought = [
        Purchase(
            attempt_id=attempt.id,
            index=index,
            first_image=first,
            images_asked=min(per_call, wanted - first),
            client_ref=f"egg_{random_text(28)}",
            cost=cost * min(per_call, wanted - first),
            sent_at=now,
        )
        for index, first in enumerate(range(0, wanted, per_call))
    ]
    return attempt
