"""Performance: how the attempts of the last day went, by provider, and how long tasks of a model take."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, Q, QuerySet, Window
from django.db.models.functions import RowNumber, TruncHour

from generation import drill
from generation.breaker import FAILURES
from generation.models import Attempt, Status, Task
from generation.providers.base import Outcome

HOUR, HOURS = timedelta(hours=1), 24
DAY = HOUR * HOURS
MOST_TASKS = 5_000  # the latest of the day: enough to judge by, and read in a moment
AGAINST = (*FAILURES, Outcome.NO_IMAGE)


@dataclass(slots=True)
class Performance:
    """Of the attempts that ended: `delivered`, and `failed` by no fault of the customer. `median` is of the former.

    `hours` says how many were delivered in each of the 24 hours, the oldest first.
    """

    delivered: int = 0
    failed: int = 0
    hours: list[int] = field(default_factory=lambda: [0] * HOURS)
    median: timedelta | None = None
    last_error: str = ""
    last_error_at: datetime | None = None

    @property
    def success(self) -> int | None:
        """Percent, None where nothing has ended."""
        ended = self.delivered + self.failed
        return None if not ended else round(100 * self.delivered / ended)


def of_providers(now: datetime) -> dict[int, Performance]:
    """By provider; one that was not used is missing. Fire drills do not count."""
    found: dict[int, Performance] = {}
    attempts = _attempts(now)
    sums = attempts.values_list("route__provider", TruncHour("ended_at")).annotate(
        delivered=Count("pk", filter=Q(state=Attempt.State.DONE)),
        failed=Count("pk", filter=Q(state=Attempt.State.FAILED, outcome__in=AGAINST)),
    )
    for provider_id, hour, delivered, failed in sums:
        done = found.setdefault(provider_id, Performance())
        done.delivered += delivered
        done.failed += failed
        done.hours[max(-1 - int((now - hour) / HOUR), -HOURS)] += delivered
    delivered = attempts.filter(state=Attempt.State.DONE).annotate(took=F("ended_at") - F("started_at"))
    for provider_id, took in _at_share(delivered, "route__provider", "took", (F("many") + 1) / 2):
        found[provider_id].median = took
    failures = attempts.filter(outcome__in=AGAINST).annotate(
        nth=Window(RowNumber(), partition_by="route__provider", order_by=F("ended_at").desc())
    )
    for provider_id, message, at in failures.filter(nth=1).values_list("route__provider", "message", "ended_at"):
        found[provider_id].last_error, found[provider_id].last_error_at = message, at
    return found


def slow_after(now: datetime) -> dict[str, timedelta]:
    """By model, what nineteen of twenty completed tasks of the last day stayed under, from acceptance to end."""
    tasks = Task.objects.filter(pk__in=_latest(now), status=Status.COMPLETED)
    return dict(
        _at_share(tasks.annotate(took=F("completed_at") - F("created_at")), "model", "took", F("many") - F("many") / 20)
    )


def _at_share(rows: QuerySet, group: str, value: str, nth: Any) -> list[tuple[Any, Any]]:
    """Per group the `nth` smallest value, where `many` is how many there are."""
    counted = rows.annotate(
        nth=Window(RowNumber(), partition_by=group, order_by=F(value).asc()),
        many=Window(Count("pk"), partition_by=group),
    )
    return list(counted.filter(nth=nth).values_list(group, value))


def _attempts(now: datetime) -> QuerySet[Attempt]:
    return Attempt.objects.filter(task__in=_latest(now), ended_at__isnull=False).exclude(message=drill.MESSAGE)


def _latest(now: datetime) -> QuerySet:
    return Task.objects.filter(created_at__gte=now - DAY).order_by("-created_at").values("pk")[:MOST_TASKS]
