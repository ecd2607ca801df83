"""What the event of a task's end says beside the documented keys."""

import json
from typing import Any

import pytest

from eggapi import clock
from generation.models import Attempt, Route, Task
from generation.settle import Ending, settle
from generation.storage import Picture
from tests.customer import Customer
from webhooks.models import Event

pytestmark = pytest.mark.usefixtures("on_sale")
KEYS = ["event", "task_id", "status", "model", "output", "error", "cost", "timestamp", "data"]


def task_of(alice: Customer, **fields: Any) -> Task:
    return Task.objects.get(pk=alice.generate(**fields).data["id"])


def end(task: Task, ended: str, images: int = 0, attempt: Attempt | None = None) -> dict[str, Any]:
    pictures = [Picture(n, f"{n}.png", "image/png", 100, 10, 10) for n in range(images)]
    assert settle([Ending(task, ended, "Nothing came of it.", pictures, attempt, fenced=False)]) == [True]
    payload: dict[str, Any] = json.loads(bytes(Event.objects.get(task_id=task.pk).payload))
    assert list(payload) == KEYS
    return payload


def attempts(task: Task, number: int, state: str) -> list[Attempt]:
    route = Route.objects.earliest("pk")
    ended_at = None if state == "live" else clock.now()
    made = [
        Attempt(id=Attempt.id_of(task.id, n), task=task, n=n, route=route, started_at=clock.now(), ended_at=ended_at)
        for n in range(1, number + 1)
    ]
    for attempt in made:
        attempt.state, attempt.bought = state, []
    return Attempt.objects.bulk_create(made)


def test_it_works() -> None:
    task = task_of(Customer(), metadata={"order": "1234"})
    (attempt,) = attempts(task, 1, "live")
    payload = end(task, "completed", 1, attempt)
    task.refresh_from_db()
    assert task.expires_at
    assert payload["data"] == {
        "metadata": {"order": "1234"},
        "expires_at": clock.iso(task.expires_at),
        "ended": "completed",
        "attempts": 1,
    }


def test_a_failure_has_its_reason_and_its_attempts() -> None:
    task = task_of(Customer())
    attempts(task, 3, "failed")
    assert end(task, "deadline")["data"] == {"metadata": None, "expires_at": None, "ended": "deadline", "attempts": 3}


def test_one_that_was_never_tried_had_none() -> None:
    assert end(task_of(Customer()), "canceled")["data"]["attempts"] == 0


def test_no_metadata_keeps_a_task_from_its_end() -> None:
    task = task_of(Customer())
    Task.objects.update(metadata={"n": 10**30, "text": "für Élise 🎹"})
    task.refresh_from_db()
    assert end(task, "deadline")["data"]["metadata"] == {"n": 10**30, "text": "für Élise 🎹"}
