"""Typical: how long the tasks of each model have taken lately, as one tells a customer."""

from collections import defaultdict
from datetime import datetime, timedelta
from statistics import median

from django.core.cache import cache

from eggapi import clock
from generation.models import Status, Task

NAME = "typical"
KEPT_SECONDS = 60
LATELY = timedelta(hours=24)
MOST_READ = 2000
LEAST = 5  # fewer say nothing


def milliseconds() -> dict[str, int]:
    """By model, the median from acceptance to end of what completed of the newest MOST_READ tasks of 24 hours.

    Models with fewer than LEAST of those are missing. A minute old at most.
    """
    known: dict[str, int] | None = cache.get(NAME)
    if known is None:
        known = _read(clock.now())
        cache.set(NAME, known, KEPT_SECONDS)
    return known


def _read(now: datetime) -> dict[str, int]:
    newest = Task.objects.filter(created_at__gt=now - LATELY).order_by("-created_at")
    took: dict[str, list[float]] = defaultdict(list)
    rows = newest.values_list("model", "status", "created_at", "completed_at")[:MOST_READ]
    for model, status, begin, end in rows:
        if status == Status.COMPLETED and end:
            took[model].append((end - begin).total_seconds() * 1000)
    return {model: round(median(times)) for model, times in took.items() if len(times) >= LEAST}
