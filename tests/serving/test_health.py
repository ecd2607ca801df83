"""/healthz, /readyz and /metrics."""

import json
import time
from datetime import timedelta
from threading import Event
from typing import Any

import pytest
from django.test import Client

from eggapi import clock
from eggapi.serving import health
from eggapi.serving.health import Probe
from generation import catalog
from generation.models import Heartbeat, Status, Task
from tests.customer import Customer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def on_sale() -> None:
    catalog.seed()
    catalog._forget()


def ask(path: str) -> tuple[int, Any]:
    reply = Client().get(path)
    return reply.status_code, json.loads(reply.content)


def beat(age: timedelta = timedelta()) -> None:
    Heartbeat.objects.create(worker="one", at=clock.now() - age)


def test_it_works() -> None:
    beat()
    assert ask("/healthz") == (200, {"data": {"status": "ok"}, "error": None})
    assert ask("/readyz") == (200, {"data": {"status": "ready"}, "error": None})


def test_it_is_not_ready_without_a_worker() -> None:
    beat(age=timedelta(seconds=40))
    status, body = ask("/readyz")
    assert (status, body["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert body["error"]["fields"] == {"worker": "no heartbeat within 30 seconds"}
    assert ask("/healthz")[0] == 200


def test_it_is_not_ready_while_due_work_waits(on_sale: None) -> None:
    beat()
    task = Customer().generate().data["id"]
    assert ask("/readyz")[0] == 200
    Task.objects.filter(pk=task).update(next_run_at=clock.now() - timedelta(seconds=45))
    assert list(ask("/readyz")[1]["error"]["fields"]) == ["queue"]


def test_what_hangs_does_not_hang_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    beat()
    release = Event()
    stuck = Probe("storage", lambda: {} if release.wait(10) else {})
    monkeypatch.setattr(health, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(health, "PROBES", (stuck,))
    asked_at = time.monotonic()
    assert ask("/readyz")[1]["error"]["fields"] == {"storage": "no answer within 0.2 seconds"}
    assert ask("/readyz")[0] == 503
    assert time.monotonic() - asked_at < 2
    release.set()
    assert stuck.faults(patience=5) == {}


def test_a_probe_names_what_is_away() -> None:
    def away() -> dict[str, str]:
        raise ConnectionRefusedError

    probe = Probe("broker", away)
    probe.start()
    assert probe.faults(patience=5) == {"broker": "not available (ConnectionRefusedError)"}


def test_a_probe_keeps_its_answer_for_a_while() -> None:
    asked = []

    def check() -> dict[str, str]:
        asked.append(time.monotonic())
        return {}

    probe = Probe("storage", check, keep_seconds=60)
    for _ in range(3):
        probe.start()
        assert probe.faults(patience=5) == {}
    assert len(asked) == 1


def test_metrics_count_tasks_and_requests(on_sale: None) -> None:
    Customer().generate()
    text = Client().get("/metrics").content.decode()
    assert f'eggapi_tasks{{status="{Status.PENDING}"}} 1.0' in text
    assert f'eggapi_tasks{{status="{Status.FAILED}"}} 0.0' in text
    assert 'eggapi_requests_total{status="202"}' in text
    assert "eggapi_oldest_due_seconds " in text
