"""`Prefer: wait`: the answer once the task has ended, on a thread that sleeps and holds no connection."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings

from eggapi import batch
from generation import waiting
from generation.models import Task
from generation.settle import Ending, settle
from generation.storage import Picture
from generation.waiting import Bell, Seats, asked
from tests.customer import EGG, Answer, Customer, at_once


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        ("wait=30", 30),
        ("WAIT = 5", 5),
        ('wait="7"', 7),
        ("respond-async, wait=10", 10),
        ("wait=10, respond-async", 10),
        ("handling=lenient;foo, wait=10;bar", 10),
        ("wait=61", 60),
        ("wait=999999", 60),
        *[(other, 0) for other in ("", "wait", "wait=", "wait=0", "wait=-1", "wait=1.5", "wait=x", "await=3")],
    ],
)
def test_it_reads_the_preference(prefer: str, seconds: int) -> None:
    assert asked(prefer) == seconds


@pytest.fixture(params=["in process", "redis"])
def rung_over(request: pytest.FixtureRequest, settings: Settings, redis_url: str) -> str:
    settings.REDIS_URL = "" if request.param == "in process" else redis_url
    return str(request.param)


@pytest.fixture(autouse=True)
def room(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> waiting.Room:
    """A room and seats of the test's own."""
    room = waiting.Room()
    monkeypatch.setattr(waiting, "room", room)
    monkeypatch.setattr(waiting, "seats", Seats(100))
    return room


@pytest.fixture
def no_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the ring can wake anybody."""
    monkeypatch.setattr(waiting, "LOOK_SECONDS", 60.0)


@pytest.fixture
def alice(on_sale: None) -> Customer:
    return Customer()


@pytest.fixture
def ends(transactional_db: None) -> Iterator[Callable[..., None]]:
    """Completes the account's next task `seconds` from now, as an engine would in its own thread."""
    with ThreadPoolExecutor() as threads:

        def end(seconds: float) -> None:
            threads.submit(_end, seconds).add_done_callback(lambda done: done.result())

        yield end


def _end(seconds: float) -> None:
    until = time.monotonic() + 10
    while not Task.objects.exists() and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(seconds)
    try:
        pictures = [Picture(0, "0.png", "image/png", 1, 1, 1)]
        endings = [Ending(task, "completed", pictures=pictures, fenced=False) for task in Task.objects.all()]
        assert batch.run(settle, endings) == [True] * len(endings)
    finally:
        connection.close()


def waited(customer: Customer, seconds: int, **headers: str) -> tuple[Answer, float]:
    began = time.monotonic()
    answer = customer.post(EGG, Prefer=f"wait={seconds}", **headers)
    return answer, time.monotonic() - began


@pytest.mark.django_db(transaction=True)
class TestWait:
    @pytest.mark.usefixtures("rung_over", "no_look")
    def test_it_answers_with_the_task_as_soon_as_it_has_ended(self, alice: Customer, ends: Callable[..., None]) -> None:
        ends(0.5)
        answer, seconds = waited(alice, 30)
        assert (answer.status, answer.headers["Preference-Applied"]) == (200, "wait=30")
        assert answer.data == alice.get(f"/v1/tasks/{answer.data['id']}").data
        assert answer.data["status"] == "completed"
        assert 0.4 < seconds < 20

    def test_a_lost_ring_costs_two_seconds(
        self, alice: Customer, ends: Callable[..., None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(waiting, "ring", lambda task_ids: None)
        ends(0.1)
        answer, seconds = waited(alice, 30)
        assert answer.data["status"] == "completed"
        assert seconds < 20

    def test_it_answers_202_when_that_takes_longer(self, alice: Customer) -> None:
        answer, seconds = waited(alice, 1)
        assert (answer.status, answer.headers["Preference-Applied"]) == (202, "wait=1")
        assert answer.data["status"] == "pending"
        assert 1 <= seconds < 20

    def test_it_answers_at_once_where_all_seats_are_taken(
        self, alice: Customer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(waiting, "seats", Seats(0))
        answer, seconds = waited(alice, 30)
        assert (answer.status, "Preference-Applied" in answer.headers) == (202, False)
        assert seconds < 20

    def test_a_seat_is_left_again(self, alice: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
        seats, told = Seats(1), list[int]()
        seats.tell = told.append
        monkeypatch.setattr(waiting, "seats", seats)
        for _ in range(2):
            assert "Preference-Applied" in waited(alice, 1)[0].headers
        assert told == [1, 0, 1, 0]

    def test_a_replay_waits_too(self, alice: Customer, ends: Callable[..., None]) -> None:
        first = alice.post(EGG, Idempotency_Key="k")
        ends(0.1)
        answer, _ = waited(alice, 30, Idempotency_Key="k")
        assert (answer.status, answer.headers["Idempotent-Replayed"]) == (200, "true")
        assert (answer.data["id"], answer.data["status"]) == (first.data["id"], "completed")

    def test_what_is_refused_is_refused_at_once(self, alice: Customer) -> None:
        alice.leave(0)
        answer, seconds = waited(alice, 30)
        assert answer.refusal == (403, "INSUFFICIENT_BALANCE")
        assert seconds < 20

    @pytest.mark.postgres_only
    def test_many_wait_on_few_connections(
        self, alice: Customer, ends: Callable[..., None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of which the pool of a test has four."""
        monkeypatch.setattr(waiting.seats, "tell", lambda taken: ends(0) if taken == 40 else None)
        answers = at_once(40, lambda _: waited(alice, 60)[0])
        assert [answer.status for answer in answers] == [200] * 40


@pytest.mark.django_db(transaction=True)
def test_without_redis_a_ring_is_lost_and_nobody_is_hurt(settings: Settings, caplog: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    waiting._client.cache_clear()
    bell = Bell()
    began = time.monotonic()
    for _ in range(100):
        bell.ring(["gen_x"])
    assert time.monotonic() - began < 10
    assert {record.message for record in caplog.records} == {"waiters not rung"}
    waiting._client.cache_clear()
