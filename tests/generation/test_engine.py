"""Claims, leases, suspects and lost rings."""

import threading
import time
from collections.abc import Callable, Generator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F
from pytest_django import DjangoAssertNumQueries

from accounts.caller import Caller
from accounts.models import Account
from billing.models import Hold
from eggapi.loop import Loop
from generation import engine, route, save, settle
from generation.engine import TaskWork
from generation.models import Attempt, Purchase, Route, Task
from generation.route import Gone, Search
from generation.save import Progress
from generation.settle import Ending
from generation.submit import submit
from tests.emulators.vendor import Speaks, Vendor
from tests.generation.conftest import ended

pytestmark = pytest.mark.django_db(transaction=True)

AddRoute = Callable[..., Route]


@pytest.fixture
def tester(account: Account) -> Caller:
    return Caller(account.pk, mode="test")


def post(caller: Caller, prompt: str = "an egg") -> Task:
    return submit(caller, {"model": "nanobanana", "prompt": prompt})[0]


def claim(room: int = 10, *, suspects: bool = False) -> list[Any]:
    with transaction.atomic():
        return engine._claim(room, suspects=suspects)


def let_lease_lapse(task: Task) -> None:
    Task.objects.filter(pk=task.pk).update(lease_until=F("lease_until") - timedelta(seconds=61))


def test_a_claimed_task_is_not_claimed_again(tester: Caller) -> None:
    post(tester)
    assert len(claim()) == 1
    assert claim() == []


def test_a_lapsed_lease_is_claimed_with_a_new_token(tester: Caller) -> None:
    task = post(tester)
    (first,) = claim()
    let_lease_lapse(task)
    (second,) = claim()
    assert (first.task.lease_token, second.task.lease_token) == (1, 2)


def test_a_stale_worker_writes_nothing(alice: Caller, add_route: AddRoute) -> None:
    add_route("http://127.0.0.1:9")
    task = post(alice)
    (stale,) = claim()
    let_lease_lapse(task)
    (fresh,) = claim()
    assert route.open_next([Search(stale.task, [])]) == [Gone()]
    assert save.pause([Progress(stale.task, seconds=99)]) == [False]
    assert settle.settle([Ending(stale.task, "deadline", "too late")]) == [False]
    assert (Attempt.objects.count(), Hold.objects.get(pk=task.pk).state) == (0, "open")
    assert settle.settle([Ending(fresh.task, "deadline", "in time")]) == [True]


def test_nothing_is_bought_on_the_last_seconds_of_a_lease(alice: Caller, add_route: AddRoute) -> None:
    add_route("http://127.0.0.1:9")
    task = post(alice)
    (mine,) = claim()
    Task.objects.filter(pk=task.pk).update(lease_until=F("lease_until") - timedelta(seconds=31))
    assert route.open_next([Search(mine.task, [])]) == [Gone()]
    assert Purchase.objects.count() == 0


def test_renewing_keeps_the_lease(tester: Caller) -> None:
    task = post(tester)
    (mine,) = claim()
    let_lease_lapse(task)
    assert TaskWork().renew([mine]) == [True]
    assert claim() == []


def test_renewing_leaves_a_lease_that_was_given_back(tester: Caller) -> None:
    post(tester)
    (mine,) = claim()
    save.pause([Progress(mine.task, seconds=0)])
    assert TaskWork().renew([mine]) == [False]
    (again,) = claim()
    assert again.task.id == mine.task.id


def test_releasing_leaves_the_time_of_a_step_that_has_ended(tester: Caller) -> None:
    post(tester)
    (mine,) = claim()
    save.pause([Progress(mine.task, seconds=60)])
    assert TaskWork().release([mine]) == [False]
    assert claim() == []


def test_leases_are_kept_and_given_back_together(
    tester: Caller, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    """Of a batch with two that are lost: one to another worker, one ended."""
    taken, done, *kept = [post(tester) for _ in range(34)]
    claims = claim(40)
    by_id = {mine.task.id: mine for mine in claims}
    let_lease_lapse(taken)
    assert [other.task.id for other in claim()] == [taken.pk]
    assert settle.settle([Ending(by_id[done.pk].task, "deadline", "late")]) == [True]
    expected = [mine.task.id not in (taken.pk, done.pk) for mine in claims]
    with django_assert_max_num_queries(4):  # the time, and rows go at most sixteen at once
        assert TaskWork().renew(claims) == expected
    with django_assert_max_num_queries(4):
        assert TaskWork().release(claims) == expected
    assert {again.task.id for again in claim(40)} == {task.pk for task in kept}


def test_a_task_is_settled_once(tester: Caller) -> None:
    post(tester)
    (mine,) = claim()
    barrier = threading.Barrier(8)
    won = []

    def race() -> None:
        barrier.wait()
        with transaction.atomic():
            won.extend(settle.settle([Ending(mine.task, "deadline", "race")]))
        connection.close()

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 7 + [True]
    assert Hold.objects.get().state == "released"


def test_a_task_that_kills_its_workers_is_given_up(tester: Caller) -> None:
    task = post(tester)
    for n in range(5):
        claims = claim(suspects=n >= 2)
        assert [c.task.pk for c in claims] == [task.pk]
        let_lease_lapse(task)
    assert claim() == []
    assert claim(1, suspects=True) == []
    task.refresh_from_db()
    assert (task.status, task.ended, Hold.objects.get().state) == ("failed", "internal_error", "released")


def test_suspects_are_left_out_of_ordinary_claims(tester: Caller) -> None:
    suspect, innocent = post(tester), post(tester)
    Task.objects.filter(pk=suspect.pk).update(claims_without_progress=2)
    assert [c.task.pk for c in claim()] == [innocent.pk]
    assert [c.task.pk for c in claim(1, suspects=True)] == [suspect.pk]


def test_a_busy_engine_comes_to_its_suspects(
    alice: Caller, vendor: Vendor, add_route: AddRoute, engine: Loop[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eggapi.loop.SUSPECTS_SECONDS", 0.2)
    monkeypatch.setattr("eggapi.loop.ALONE_SECONDS", 0.5)
    engine._suspects_at = 0.0
    add_route(vendor.url)
    post(alice, "an egg vendor:hold")
    engine.wake()
    while not vendor.seen:
        time.sleep(0.02)
    with transaction.atomic():  # the busy engine sees it as a suspect or not at all
        suspect = post(alice)
        Task.objects.filter(pk=suspect.pk).update(claims_without_progress=2)
    assert ended(suspect).status == "completed"
    vendor.release.set()


def test_a_poll_is_progress(tester: Caller) -> None:
    task = post(tester)
    (mine,) = claim()
    assert save.pause([Progress(mine.task, seconds=0)]) == [True]
    task.refresh_from_db()
    assert (task.claims_without_progress, task.lease_until) == (0, None)


def test_one_bad_task_does_not_spoil_the_batch(
    alice: Caller, vendor: Vendor, add_route: AddRoute, engine: Loop[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def raising(self: Speaks, job: Any) -> Generator[Any, Any, Any]:
        if "poison" in job.prompt:
            raise RuntimeError("a bug in an adapter")
        return speaks(self, job)

    speaks = Speaks.submit
    monkeypatch.setattr(Speaks, "submit", raising)
    add_route(vendor.url)
    poison, *others = [post(alice, prompt) for prompt in ("poison", "an egg", "an egg", "an egg")]
    engine.wake()
    assert {ended(task).status for task in others} == {"completed"}
    poison.refresh_from_db()
    assert poison.status == "processing"


def test_every_ring_may_be_lost(alice: Caller, vendor: Vendor, add_route: AddRoute, engine: Loop[Any]) -> None:
    add_route(vendor.url)
    assert ended(post(alice)).status == "completed"


def test_rings_may_come_in_any_number(alice: Caller, vendor: Vendor, add_route: AddRoute, engine: Loop[Any]) -> None:
    add_route(vendor.url)
    tasks = []
    for _ in range(20):
        tasks.append(post(alice))
        for _ in range(3):
            engine.wake()
    assert {ended(task).status for task in tasks} == {"completed"}
    assert (len(vendor.seen), max(vendor.billed.values())) == (20, 1)


def test_a_slow_vendor_holds_up_nobody(alice: Caller, vendor: Vendor, add_route: AddRoute, engine: Loop[Any]) -> None:
    add_route(vendor.url)
    for _ in range(50):
        post(alice, "an egg vendor:hold")
    engine.wake()
    while len(vendor.seen) < 50:
        time.sleep(0.02)
    started = time.monotonic()
    quick = post(alice)
    engine.wake()
    assert ended(quick).status == "completed"
    assert time.monotonic() - started < 5
    vendor.release.set()


@pytest.mark.postgres_only
def test_two_claims_at_once_never_share_a_task(tester: Caller) -> None:
    for _ in range(40):
        post(tester)
    barrier = threading.Barrier(4)
    claimed: list[str] = []

    def race() -> None:
        barrier.wait()
        for _ in range(10):
            claimed.extend(c.task.pk for c in claim(3))
        connection.close()

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == len(set(claimed)) == 40
