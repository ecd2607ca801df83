"""/healthz, /readyz and what they ask. Nothing here waits longer than a few seconds, whatever hangs."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import orjson
import redis
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from eggapi import clock, envelope, errors
from eggapi.ids import random_text
from generation.backlog import oldest_due_age
from generation.condition import OLDEST_HEARTBEAT
from generation.models import Heartbeat

PATIENCE_SECONDS = 2.5
STORAGE_EVERY_SECONDS = 10.0
OLDEST_DUE = timedelta(seconds=30)


class Probe:
    """A check in a thread of its own, so that what hangs there hangs nobody else, and one at a time.

    `check` returns what is wrong, by name, or raises. Its last answer is good for `keep_seconds`.
    """

    def __init__(self, name: str, check: Callable[[], dict[str, str]], keep_seconds: float = 0.0) -> None:
        self._name = name
        self._check = check
        self._keep_seconds = keep_seconds
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None
        self._faults: dict[str, str] = {}
        self._answered_at = float("-inf")

    def start(self) -> None:
        with self._guard:
            running = self._thread is not None and self._thread.is_alive()
            if not running and time.monotonic() - self._answered_at >= self._keep_seconds:
                self._thread = threading.Thread(target=self._run, name=f"probe-{self._name}", daemon=True)
                self._thread.start()

    def faults(self, patience: float) -> dict[str, str]:
        if self._thread is not None:
            self._thread.join(max(patience, 0.0))
            if self._thread.is_alive():
                return {self._name: f"no answer within {PATIENCE_SECONDS} seconds"}
        return self._faults

    def _run(self) -> None:
        try:
            self._faults = self._check()
        except Exception as error:  # any exception is what this check is for: it is the answer
            self._faults = {self._name: f"not available ({type(error).__name__})"}
        finally:
            connection.close()
        self._answered_at = time.monotonic()


def _database() -> dict[str, str]:
    """Asks the database, and what stands there about the workers."""
    faults = {}
    seen = Heartbeat.objects.order_by("-at").values_list("at", flat=True).first()
    if seen is None or clock.now() - seen > OLDEST_HEARTBEAT:
        faults["worker"] = f"no heartbeat within {OLDEST_HEARTBEAT.seconds} seconds"
    if (age := oldest_due_age()) > OLDEST_DUE.total_seconds():
        faults["queue"] = f"the oldest due task has waited {age:.0f} seconds"
    return faults


def _broker() -> dict[str, str]:
    """Without Redis the broker is in this process, and lives with it."""
    if settings.REDIS_URL:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2, socket_connect_timeout=2) as client:
            client.ping()
    return {}


def _storage() -> dict[str, str]:
    name = default_storage.save(f"health/{random_text(20)}", ContentFile(b"ready"))
    try:
        with default_storage.open(name) as file:
            return {} if file.read() == b"ready" else {"storage": "read back something else than was written"}
    finally:
        default_storage.delete(name)


PROBES = (
    Probe("database", _database),
    Probe("broker", _broker),
    Probe("storage", _storage, keep_seconds=STORAGE_EVERY_SECONDS),
)


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """GET /healthz: the process answers. {"status": "ok"}"""
    return _data({"status": "ok"})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """GET /readyz: {"status": "ready"}, or 503 SERVICE_UNAVAILABLE with what is wrong in `fields`."""
    found = faults()
    if not found:
        return _data({"status": "ready"})
    error = errors.ServiceUnavailable("; ".join(f"{name}: {fault}" for name, fault in found.items()))
    error.fields = found
    return envelope.error_response(error, request)


def faults() -> dict[str, str]:
    """What is wrong, by the name of database, broker, storage, worker or queue; takes PATIENCE_SECONDS at most."""
    until = time.monotonic() + PATIENCE_SECONDS
    for probe in PROBES:
        probe.start()
    found: dict[str, str] = {}
    for probe in PROBES:
        found |= probe.faults(until - time.monotonic())
    return found


def _data(data: dict[str, Any]) -> HttpResponse:
    return HttpResponse(orjson.dumps({"data": data, "error": None}), content_type="application/json")
