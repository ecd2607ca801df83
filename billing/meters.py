"""Meters: what keys have used of late, and how far their budgets are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from django.db.models import Count, Sum

from accounts.models import ApiKey
from billing.budgets import Cap, period_start
from billing.models import Budget, DailyUsage, Hold

RESETS = {"day": "each day at 00:00 UTC", "week": "each Monday at 00:00 UTC", "month": "on the first at 00:00 UTC"}


@dataclass(frozen=True, slots=True)
class Spent:
    """Tasks that were paid for, and their cost in micro-dollars."""

    requests: int = 0
    cost: int = 0


@dataclass(frozen=True, slots=True)
class Meter:
    """A budget in its present period; amounts in micro-dollars. `used` includes what is promised to open tasks."""

    used: int
    limit: int
    period: str

    @property
    def percent(self) -> int:
        return min(100, self.used * 100 // max(self.limit, 1))

    @property
    def resets(self) -> str:
        return RESETS.get(self.period, "never")


def spent_since(day: date, account_id: int, mode: str, keys: Sequence[int]) -> dict[int, Spent]:
    """Per key, from the beginning of that day (UTC) on, in one query."""
    days = DailyUsage.objects.filter(account=account_id, mode=mode, key__in=keys, day__gte=day)
    sums = days.values("key").annotate(tasks=Sum("requests"), spent=Sum("cost"))
    return {row["key"]: Spent(row["tasks"], row["spent"]) for row in sums}


def read(account_id: int, mode: str, caps: Sequence[Cap], now: datetime) -> dict[int, Meter]:
    """Key -> its budget as it stands, in one query."""
    starts = {period_start(cap.period, now) for cap in caps}
    rows = Budget.objects.filter(
        account=account_id, mode=mode, key__in=[cap.key for cap in caps], period_start__in=starts
    )
    used = {(row.key, row.period_start): row.used for row in rows}
    return {
        cap.key: Meter(used.get((cap.key, period_start(cap.period, now)), 0), cap.limit, cap.period) for cap in caps
    }


def caps_of(keys: Sequence[ApiKey]) -> list[Cap]:
    """Of those that have a budget."""
    return [Cap(key.pk, key.budget, key.budget_period) for key in keys if key.budget is not None]


def open_tasks(keys: Sequence[int]) -> dict[int, int]:
    """Key -> its unfinished tasks, in one query; without those that have none."""
    holds = Hold.objects.filter(state=Hold.State.OPEN, key__in=keys)
    return dict(holds.values_list("key").annotate(number=Count("pk")))
