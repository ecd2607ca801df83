"""Backlog: for how long due tasks have waited. Too long, and new ones are turned away before anything is held."""

import threading
import time

from django.conf import settings

from eggapi import clock
from eggapi.errors import ServiceUnavailable
from generation.models import Task

FRESH_SECONDS = 1.0
RETRY_AFTER = 10


class _Gauge:
    """What this process last read."""

    def __init__(self) -> None:
        self.age = 0.0
        self.read_at = float("-inf")
        self.lock = threading.Lock()


_gauge = _Gauge()


def oldest_due_age() -> float:
    """For how many seconds the longest waiting task has been due; 0 where none is."""
    now = clock.now()
    first = Task.objects.due(now).order_by("next_run_at").values_list("next_run_at", flat=True).first()
    return (now - first).total_seconds() if first else 0.0


def check() -> None:
    """Raises ServiceUnavailable where workers are behind by more than EGGAPI_SHED_SECONDS, as of a second ago."""
    if time.monotonic() - _gauge.read_at > FRESH_SECONDS and _gauge.lock.acquire(blocking=False):
        try:
            _gauge.age = oldest_due_age()
            _gauge.read_at = time.monotonic()
        finally:
            _gauge.lock.release()
    if _gauge.age > settings.EGGAPI_SHED_SECONDS:
        raise ServiceUnavailable("Too much work is waiting already.", retry_after=RETRY_AFTER)


def forget() -> None:
    """Reads anew at the next check."""
    _gauge.read_at = float("-inf")
