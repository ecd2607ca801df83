"""Report: what an account used in some days, and in as many days before them; from the sums per day."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from django.db.models import QuerySet, Sum

from accounts.caller import Caller
from billing.models import DailyUsage

GROUPS = ("model", "key", "day", "type")
PERIODS = {"7d": 7, "30d": 30, "90d": 90}
MONTH, CUSTOM = "month", "custom"
USUAL = "30d"
DAY = re.compile(r"2[0-9]{3}-[0-9]{2}-[0-9]{2}")
MOST_DAYS = 366
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Period:
    """Days in UTC, both inclusive. `name` is what it was asked for by; `fault` what of that was not understood."""

    name: str
    first: date
    last: date
    fault: str = ""

    @property
    def length(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def before(self) -> "Period":
        """As many days, right before."""
        return Period(self.name, self.first - timedelta(days=self.length), self.first - ONE_DAY)

    @property
    def days(self) -> list[date]:
        return [self.first + timedelta(days=n) for n in range(self.length)]


@dataclass(slots=True)
class Sums:
    """`cost` in micro-dollars; `units` are images."""

    requests: int = 0
    units: int = 0
    cost: int = 0

    def add(self, requests: int, units: int, cost: int) -> None:
        self.requests += requests
        self.units += units
        self.cost += cost


@dataclass(frozen=True, slots=True)
class Report:
    """`groups` are of the period, dearest first (days: in order); `costs` per group and day."""

    total: Sums = field(default_factory=Sums)
    groups: dict[Any, Sums] = field(default_factory=dict)
    costs: dict[tuple[Any, date], int] = field(default_factory=lambda: defaultdict(int))


def period_of(query: Mapping[str, str], today: date) -> Period:
    """`period` is 7d, 30d, 90d, month, or custom with `from` and `to`; anything else is the usual, with a fault."""
    name = query.get("period", "") or (CUSTOM if query.get("from") or query.get("to") else USUAL)
    if name in PERIODS:
        return _last(name, today)
    if name == MONTH:
        return Period(MONTH, today.replace(day=1), today)
    if name != CUSTOM:
        return _last(USUAL, today, f"period must be one of {', '.join([*PERIODS, MONTH, CUSTOM])}")
    first, last = _day(query.get("from", "")), _day(query.get("to", "") or f"{today}")
    if first is None or last is None:
        return _last(USUAL, today, "from and to must be days such as 2026-05-08")
    if not 0 <= (last - first).days < MOST_DAYS:
        return _last(USUAL, today, f"to must be no earlier than from, and at most {MOST_DAYS} days together")
    return Period(CUSTOM, first, last)


def _last(name: str, today: date, fault: str = "") -> Period:
    return Period(name, today - timedelta(days=PERIODS[name] - 1), today, fault)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if DAY.fullmatch(text) else None
    except ValueError:
        return None


def read(caller: Caller, period: Period, group: str) -> Report:
    """The period by one of GROUPS; `key` 0 stands for none."""
    report = Report()
    by = _within(caller, period).values(*{group, "day"}).order_by("day")
    for row in by.annotate(made=Sum("requests"), images=Sum("units"), spent=Sum("cost")):
        sums = (row["made"], row["images"], row["spent"])
        report.total.add(*sums)
        report.groups.setdefault(row[group], Sums()).add(*sums)
        report.costs[row[group], row["day"]] += row["spent"]
    if group != "day":
        dearest = sorted(report.groups.items(), key=lambda item: (-item[1].cost, str(item[0])))
        report.groups.clear()
        report.groups.update(dearest)
    return report


def lines(caller: Caller, period: Period) -> Iterator[Sequence[Any]]:
    """day, model, key, type, requests, units, cost: everything that is known, in short queries."""
    columns = ("day", "model", "key", "type", "requests", "units", "cost")
    own = _within(caller, period)
    for day in sorted(set(own.values_list("day", flat=True))):
        yield from own.filter(day=day).order_by("model", "key", "type").values_list(*columns)


def _within(caller: Caller, period: Period) -> "QuerySet[DailyUsage]":
    own = DailyUsage.objects.filter(account_id=caller.account_id, mode=caller.mode)
    return own.filter(day__gte=period.first, day__lte=period.last)
