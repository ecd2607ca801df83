"""The first page of operators: what is wrong, and how the last hour went."""

from typing import Any

from django.http import HttpRequest
from django.utils.safestring import SafeString

from eggapi import charts, clock
from eggapi.operating import flags, hour
from generation.backlog import oldest_due_age
from generation.models import Task
from webhooks.models import Delivery

PERMISSION = "generation.view_task"


def show(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Unfold's hook. The figures are for those who may look at tasks."""
    if not request.user.has_perm(PERMISSION):
        return context
    now, due = clock.now(), oldest_due_age()
    tasks, strips = hour.tasks(now), hour.providers(now)
    tasks.cost = sum(strip.cost for strip in strips)
    return context | {
        "title": "Dashboard",
        "flags": flags.raised(now, due),
        "hour": tasks,
        "providers": strips,
        "oldest_due": due,
        "queue": _queue(),
        "webhooks": Delivery.objects.under_way(now).count(),
        "chart": _chart(tasks),
    }


def _queue() -> int:
    return Task.objects.filter(next_run_at__isnull=False).count()


def _chart(tasks: hour.Tasks) -> SafeString:
    labels = [minute for minute, _ in tasks.by_minute]
    completed, failed, other = zip(*(numbers for _, numbers in tasks.by_minute), strict=True)
    series = {"completed": completed, "failed by us or a provider": failed, "under way, or failed otherwise": other}
    drawn = charts.columns("Tasks a minute", labels, series)
    return SafeString(drawn.replace('class="chart"', 'class="op-chart"'))  # Unfold draws in whatever is a .chart
