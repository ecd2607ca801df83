"""Summary: what an account has done lately, in a few figures."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypeVar

from accounts.models import ApiKey
from billing.models import DailyUsage
from eggapi import pagination
from generation.models import Status, Task

DAY = timedelta(days=1)
DAYS = 30
SAMPLE = 1000
TOP_KEYS = 5
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class KeySpending:
    """`id` 0 and no name for what was made in the dashboard."""

    id: int
    name: str
    requests: int
    cost: int


@dataclass(frozen=True, slots=True)
class Spending:
    """In micro-dollars, by UTC days: `by_model` has a value for each of `days`, dearest model first."""

    today: int
    month: int
    days: Sequence[date]
    by_model: Mapping[str, Sequence[int]]
    keys: Sequence[KeySpending]


@dataclass(frozen=True, slots=True)
class Pace:
    """Of the last 24 hours. `requests` counts to `pagination.EXACT_TOTAL`; the rest is of the newest SAMPLE of them."""

    requests: int
    success: float | None  # percent of those that have ended
    median: timedelta | None
    slow: timedelta | None  # 95 of 100 completed tasks took no longer

    @property
    def is_capped(self) -> bool:
        return self.requests >= pagination.EXACT_TOTAL


def spending(account_id: int, mode: str, today: date) -> Spending:
    """Two queries, however many tasks there were."""
    days = [today - n * DAY for n in reversed(range(DAYS))]
    since = min(days[0], today.replace(day=1))
    used = DailyUsage.objects.filter(account_id=account_id, mode=mode, day__gte=since)
    by_day: Counter[date] = Counter()
    by_model: dict[str, Counter[date]] = {}
    key_cost: Counter[int] = Counter()
    key_requests: Counter[int] = Counter()
    for day, model, key, cost, requests in used.values_list("day", "model", "key", "cost", "requests"):
        by_day[day] += cost
        if day >= days[0]:
            by_model.setdefault(model, Counter())[day] += cost
            key_cost[key] += cost
            key_requests[key] += requests
    top = key_cost.most_common(TOP_KEYS)
    names = dict(ApiKey.objects.filter(pk__in=dict(top), account_id=account_id).values_list("pk", "name"))
    return Spending(
        today=by_day[today],
        month=sum(cost for day, cost in by_day.items() if day >= today.replace(day=1)),
        days=days,
        by_model={name: [sums[day] for day in days] for name, sums in _dearest_first(by_model)},
        keys=[KeySpending(key, names.get(key, ""), key_requests[key], cost) for key, cost in top],
    )


def _dearest_first(by_model: dict[str, Counter[date]]) -> list[tuple[str, Counter[date]]]:
    return sorted(by_model.items(), key=lambda item: (-item[1].total(), item[0]))


def pace(account_id: int, mode: str, now: datetime) -> Pace:
    """Two queries, each of which reads a bounded number of tasks."""
    tasks = Task.objects.filter(account_id=account_id, mode=mode, created_at__gt=now - DAY)
    newest = tasks.order_by("-created_at", "-id").values_list("status", "created_at", "completed_at")[:SAMPLE]
    ended = [(status, until - since) for status, since, until in newest if until]
    took = sorted(duration for status, duration in ended if status == Status.COMPLETED)
    return Pace(
        requests=pagination.count(tasks),
        success=100 * len(took) / len(ended) if ended else None,
        median=at_share(took, 0.5),
        slow=at_share(took, 0.95),
    )


def at_share(ordered: Sequence[Value], share: float) -> Value | None:
    """What that share of the values does not exceed; None of none."""
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else None
