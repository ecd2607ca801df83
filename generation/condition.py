"""How the service does, part by part, as its customers would feel it: looked at every minute, kept by the day.

A part is `api`, `workers`, or the name of a model. What customers are told names no provider.
"""

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Count, F

from eggapi import clock, switches
from eggapi.models import Day
from generation import backlog, breaker, catalog, drain
from generation.models import TERMINAL, Heartbeat, Task

UP, DEGRADED, DOWN = "up", "degraded", "down"
TITLES = {"api": "API", "workers": "Workers"}
FRESH_SECONDS = 15
OLDEST_HEARTBEAT = timedelta(seconds=30)
WINDOW = timedelta(minutes=10)
LEAST_TASKS = 5
DEGRADED_SHARE, DOWN_SHARE = 0.1, 0.5
OUR_FAULT = ("upstream_unavailable", "deadline", "internal_error")
DAYS = 90
MINUTES_OF_A_DAY = 1440
UNSEEN_MINUTES = 15  # so many a day may go unseen, by a restart or a late bell


@dataclass(frozen=True, slots=True)
class Bar:
    """A day of a part: minutes that went well, badly, and not at all. `state` is empty where nothing is known."""

    day: date
    state: str
    degraded: int
    down: int


@dataclass(frozen=True, slots=True)
class Part:
    """`uptime` is the share of minutes seen that were not down, in percent; None before the first."""

    name: str
    title: str
    state: str
    bars: Sequence[Bar]
    uptime: float | None


def look() -> None:
    """Writes down how every part does now."""
    states, today = read(), clock.now().date()
    with transaction.atomic():
        for part, state in sorted(states.items()):
            day, _ = Day.objects.get_or_create(part=part, day=today)
            Day.objects.filter(pk=day.pk).update(
                looks=F("looks") + 1,
                degraded=F("degraded") + int(state == DEGRADED),
                down=F("down") + int(state == DOWN),
            )


class _Seen:
    """What this process last saw."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self.at = float("-inf")


_seen = _Seen()


def now() -> dict[str, str]:
    """The state of every part, at most FRESH_SECONDS old."""
    if time.monotonic() - _seen.at > FRESH_SECONDS:
        _seen.states, _seen.at = read(), time.monotonic()
    return _seen.states


def forget() -> None:
    """Looks anew when next asked."""
    _seen.at = float("-inf")


def read() -> dict[str, str]:
    at = clock.now()
    failing = _failing(at)
    states = {"api": _api(), "workers": _workers(at)}
    opened = breaker.opened()
    for model in catalog.current().models.values():
        ways = [breaker.way_of(route) for route in model.routes]
        is_closed = [way in opened and breaker.closed_until(opened[way], at) is not None for way in ways]
        states[model.name] = DOWN if all(is_closed) else failing.get(model.name, UP)
    return states


def worst(states: Sequence[str]) -> str:
    return next((state for state in (DOWN, DEGRADED) if state in states), UP)


def parts() -> list[Part]:
    """Every part with its bars of the last DAYS days, the oldest first."""
    states, at = now(), clock.now()
    kept: dict[str, dict[date, Day]] = defaultdict(dict)
    for row in Day.objects.filter(day__gt=at.date() - timedelta(days=DAYS)):
        kept[row.part][row.day] = row
    return [_part(name, state, kept[name], at) for name, state in states.items()]


def _api() -> str:
    if switches.off(drain.SUBMITS):
        return DOWN
    return DEGRADED if backlog.oldest_due_age() > settings.EGGAPI_SHED_SECONDS else UP


def _workers(at: datetime) -> str:
    return UP if Heartbeat.objects.filter(at__gt=at - OLDEST_HEARTBEAT).exists() else DOWN


def _failing(at: datetime) -> dict[str, str]:
    """Models of whose latest tasks too many failed by a fault of ours or of a provider."""
    rows = (
        Task.objects.filter(created_at__gt=at - WINDOW, status__in=TERMINAL)
        .values("model", "ended")
        .annotate(n=Count("pk"))
        .values_list("model", "ended", "n")
    )
    ended: dict[str, int] = defaultdict(int)
    failed: dict[str, int] = defaultdict(int)
    for model, why, n in rows:
        ended[model] += n
        failed[model] += n if why in OUR_FAULT else 0
    return {
        model: DOWN if failed[model] > DOWN_SHARE * n else DEGRADED
        for model, n in ended.items()
        if n >= LEAST_TASKS and failed[model] > DEGRADED_SHARE * n
    }


def _part(name: str, state: str, rows: dict[date, Day], at: datetime) -> Part:
    today, first = at.date(), min(rows, default=None)
    bars = [_bar(today - timedelta(days=n), rows, first, at) for n in reversed(range(DAYS))]
    known = [bar for bar in bars if bar.state]
    minutes = sum(_minutes(bar.day, at) for bar in known)
    uptime = 100 * (1 - sum(bar.down for bar in known) / minutes) if minutes else None
    return Part(name, TITLES.get(name, name), state, bars, uptime and max(uptime, 0.0))


def _bar(day: date, rows: dict[date, Day], first: date | None, at: datetime) -> Bar:
    if first is None or day < first:
        return Bar(day, "", 0, 0)
    row = rows.get(day) or Day(day=day)
    # Nobody looked, so nobody worked: such minutes count as down. On the first day nobody knows when it began.
    unseen = 0 if day == first else max(_minutes(day, at) - row.looks, 0)
    down = row.down + (unseen if unseen > UNSEEN_MINUTES else 0)
    state = DOWN if down > UNSEEN_MINUTES else DEGRADED if down or row.degraded else UP
    return Bar(day, state, row.degraded, down)


def _minutes(day: date, at: datetime) -> int:
    """How many minutes of this UTC day have passed."""
    return MINUTES_OF_A_DAY if day < at.date() else max(at.hour * 60 + at.minute, 1)
