"""How the last hour went, in a handful of queries that an index or a limit keeps short."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import CharField, Count, QuerySet, Sum
from django.db.models.functions import Cast, Substr

from accounts.models import Mode
from generation import drill, summary
from generation.condition import OUR_FAULT
from generation.models import Attempt, Provider, Purchase, Status, Task
from generation.performance import AGAINST

HOUR = timedelta(hours=1)
MINUTES = 60
MOST_TASKS = 20_000  # whose attempts are looked at, the latest of the hour
MOST_TIMES = 500  # that percentiles are of, likewise


@dataclass(slots=True)
class Tasks:
    """Tasks accepted in the hour. `failed` are those that failed by a fault of ours or of a provider.

    `spend` and `cost` are of live tasks, in micro-dollars: what customers paid, and what vendors take.
    `by_minute` has (hh:mm, [completed, failed, everything else]) per minute, the oldest first.
    """

    accepted: int = 0
    completed: int = 0
    failed: int = 0
    spend: int = 0
    cost: int = 0
    p95: float | None = None
    by_minute: Sequence[tuple[str, Sequence[int]]] = ()

    @property
    def success(self) -> str:
        return percent(self.completed, self.completed + self.failed)

    @property
    def margin(self) -> int:
        return self.spend - self.cost


@dataclass(slots=True)
class Strip:
    """A provider in the hour; `failed` by no fault of a customer, `cost` and `leak` in micro-dollars."""

    name: str
    attempts: int = 0
    delivered: int = 0
    failed: int = 0
    cost: int = 0
    leak: int = 0
    p50: float | None = None
    breakers: Sequence[str] = ()
    times: list[float] = field(default_factory=list)

    @property
    def success(self) -> str:
        return percent(self.delivered, self.delivered + self.failed)


def tasks(now: datetime) -> Tasks:
    """Without what was bought for them: `cost` is the providers' to say."""
    recent = Task.objects.filter(created_at__gt=now - HOUR)
    minute = Substr(Cast("created_at", CharField()), 1, 16)
    groups = recent.order_by().values_list(minute, "status", "ended", "mode").annotate(Count("pk"), Sum("cost"))
    found = Tasks()
    minutes: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for at, status, ended, mode, number, cost in groups:
        kind = 0 if status == Status.COMPLETED else 1 if ended in OUR_FAULT else 2
        minutes[at[-5:]][kind] += number
        found.accepted += number
        found.completed += number if kind == 0 else 0
        found.failed += number if kind == 1 else 0
        found.spend += int(cost) if mode == Mode.LIVE else 0
    completed = recent.filter(status=Status.COMPLETED).order_by("-created_at")
    times = _seconds(completed.values_list("created_at", "completed_at")[:MOST_TIMES])
    found.p95 = summary.at_share(sorted(times), 0.95)
    labels = [f"{now - timedelta(minutes=ago):%H:%M}" for ago in reversed(range(MINUTES))]
    found.by_minute = [(label, minutes[label]) for label in labels]
    return found


def providers(now: datetime) -> list[Strip]:
    """Every provider that is enabled, or was used. Fire drills do not count."""
    rows = Provider.objects.order_by("name").prefetch_related("breakers")
    strips = {row.pk: Strip(row.name, breakers=[b.upstream_model for b in row.breakers.all()]) for row in rows}
    attempts = Attempt.objects.filter(task__in=_latest(now)).exclude(message=drill.MESSAGE)
    for pk, state, outcome, number in _grouped(attempts, "route__provider", "state", "outcome").annotate(Count("pk")):
        strips[pk].attempts += number
        strips[pk].delivered += number if state == Attempt.State.DONE else 0
        strips[pk].failed += number if outcome in AGAINST else 0
    bought = Purchase.objects.filter(attempt__task__in=_latest(now))
    for pk, cost, leak in _grouped(bought, "attempt__route__provider").annotate(Sum("cost"), Sum("leak")):
        strips[pk].cost, strips[pk].leak = int(cost), int(leak)
    done = Attempt.objects.filter(task__in=_latest(now, MOST_TIMES), state=Attempt.State.DONE)
    for pk, start, end in done.values_list("route__provider", "started_at", "ended_at"):
        strips[pk].times += _seconds([(start, end)])
    for strip in strips.values():
        strip.p50 = summary.at_share(sorted(strip.times), 0.5)
    return [strips[row.pk] for row in rows if row.enabled or strips[row.pk].attempts]


def _seconds(spans: Iterable[tuple[Any, Any]]) -> list[float]:
    return [(end - start).total_seconds() for start, end in spans]


def percent(part: int, whole: int) -> str:
    """Rounded down, for 100 % shall mean all of them."""
    return f"{1000 * part // whole / 10:g} %" if whole else "-"


def _latest(now: datetime, most: int = MOST_TASKS) -> QuerySet:
    return Task.objects.filter(created_at__gt=now - HOUR).order_by("-created_at").values("pk")[:most]


def _grouped(rows: QuerySet, *columns: str) -> Any:
    return rows.order_by().values_list(*columns)
