"""GET /v1/tasks/{id}/events: a task's life as server-sent events."""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from eggapi import batch
from eggapi.loop import Loop
from generation import cancel, stream, waiting
from generation.models import Route, Task
from generation.settle import Ending, settle
from generation.storage import Picture
from generation.waiting import Seats
from tests.customer import Customer
from tests.emulators.vendor import Vendor
from tests.generation.past import add_task
from webhooks.models import Event

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def alice(on_sale: None) -> Customer:
    return Customer()


@pytest.fixture(autouse=True)
def seats(monkeypatch: pytest.MonkeyPatch) -> Seats:
    monkeypatch.setattr(waiting, "room", waiting.Room())
    seats = Seats(2)
    monkeypatch.setattr(waiting, "seats", seats)
    return seats


def opened(customer: Customer, task_id: str, **headers: str) -> Any:
    sent = {"Authorization": f"Bearer {customer.secret}"} | {n.replace("_", "-"): v for n, v in headers.items()}
    return Client().get(f"/v1/tasks/{task_id}/events", headers=sent)


def events(response: Any) -> Iterator[dict[str, str]]:
    """Of the rest of the stream, each with its fields; a comment is {"": ...}."""
    for part in response.streaming_content:
        assert part.endswith(b"\n\n")
        yield dict(line.split(": ", 1) if line[0] != ":" else ("", line) for line in part.decode().strip().split("\n"))


def complete(task_id: str) -> None:
    ending = Ending(
        Task.objects.get(pk=task_id), "completed", pictures=[Picture(0, "0.png", "image/png", 1, 1, 1)], fenced=False
    )
    assert batch.run(settle, [ending]) == [True]
    connection.close()


class TestStream:
    def test_it_works(self, alice: Customer) -> None:
        task_id = alice.generate().data["id"]
        response = opened(alice, task_id)
        assert (response.status_code, response["Content-Type"]) == (200, "text/event-stream")
        assert (response["Cache-Control"], response["X-Accel-Buffering"]) == ("no-cache", "no")
        told = events(response)
        first = next(told)
        assert (first["event"], json.loads(first["data"])) == ("status", alice.get(f"/v1/tasks/{task_id}").data)
        assert "id" not in first
        Task.objects.update(status="processing")
        assert json.loads(next(told)["data"])["status"] == "processing"
        threading.Timer(0.2, complete, [task_id]).start()
        last = next(told)
        assert json.loads(last["data"]) == alice.get(f"/v1/tasks/{task_id}").data
        assert json.loads(last["data"])["status"] == "completed"
        assert last["id"] == Event.objects.get().id
        assert list(told) == []

    @pytest.mark.parametrize("status", ["completed", "failed"])
    def test_of_a_task_that_has_ended_it_is_short(self, alice: Customer, status: str) -> None:
        task = add_task(alice, status)
        (only,) = events(opened(alice, task.id))
        assert json.loads(only["data"])["status"] == status

    def test_a_cancel_ends_it(self, alice: Customer) -> None:
        task_id = alice.generate().data["id"]
        told = events(opened(alice, task_id))
        next(told)
        cancel.cancel(Task.objects.get())
        assert json.loads(next(told)["data"])["error"] == "Canceled: nothing was charged."

    def test_it_beats_while_nothing_happens(self, alice: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.05)
        told = events(opened(alice, alice.generate().data["id"]))
        next(told)
        assert [next(told), next(told)] == [{"": ": still here"}] * 2

    def test_it_does_not_outlast_the_deadline(self, alice: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(stream, "GRACE_SECONDS", -9.8)
        told = events(opened(alice, alice.generate(deadline_seconds=10).data["id"]))
        assert next(told)["event"] == "status"
        assert {tuple(each) for each in told} <= {("",)}

    def test_it_holds_no_connection_between_events(self, alice: Customer) -> None:
        told = events(opened(alice, alice.generate().data["id"]))
        next(told)
        assert connection.connection is None

    def test_who_has_seen_the_last_event_is_sent_away(self, alice: Customer) -> None:
        task_id = alice.generate().data["id"]
        complete(task_id)
        event_id = Event.objects.get().id
        assert opened(alice, task_id, Last_Event_ID=event_id).status_code == 204
        assert opened(alice, task_id, Last_Event_ID="msg_other").status_code == 200


class TestSeats:
    def test_beyond_them_it_is_503(self, alice: Customer) -> None:
        task_id = alice.generate().data["id"]
        streams = [opened(alice, task_id) for _ in range(2)]
        refused = opened(alice, task_id)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
        assert refused["Retry-After"] == "5"
        streams[0].close()
        assert opened(alice, task_id).status_code == 200

    def test_a_stream_that_nobody_read_leaves_its_seat(self, alice: Customer, seats: Seats) -> None:
        task_id = alice.generate().data["id"]
        for _ in range(5):
            opened(alice, task_id).close()
        assert seats._taken == 0

    def test_a_stream_read_to_its_end_leaves_it_once(self, alice: Customer, seats: Seats) -> None:
        response = opened(alice, add_task(alice, "completed").id)
        list(response.streaming_content)
        response.close()
        response.close()
        assert seats._taken == 0


class TestWhose:
    def test_a_stranger_finds_nothing(self, alice: Customer, seats: Seats) -> None:
        task_id = alice.generate().data["id"]
        for stranger in (Customer("bob@example.com"), Customer(mode="live")):
            assert stranger.get(f"/v1/tasks/{task_id}/events").refusal == (404, "NOT_FOUND")
        assert alice.get(f"/v1/tasks/{task_id}/events", Authorization="").refusal == (401, "UNAUTHORIZED")
        assert seats._taken == 0


def test_a_picture_from_the_first_moment_to_the_last(
    customer: Customer, vendor: Vendor, add_route: Callable[..., Route], engine: Loop[Any]
) -> None:
    add_route(vendor.url)
    told = events(opened(customer, customer.generate(prompt="vendor:late").data["id"]))
    assert json.loads(next(told)["data"])["status"] == "pending"
    engine.wake()
    assert json.loads(next(told)["data"])["status"] == "processing"
    vendor.release.set()
    assert json.loads(next(told)["data"])["status"] == "completed"
