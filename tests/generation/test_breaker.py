"""A route that fails is left alone, tried by one task at a time, and taken back when it is well."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models import F

from accounts.caller import Caller
from accounts.models import Account, Mode
from billing import ledger
from eggapi import batch, clock
from eggapi.loop import Loop
from eggapi.models import Alert
from generation import breaker, process
from generation.breaker import Window
from generation.models import Attempt, Breaker, Purchase, Route, Task
from generation.settle import Ending, settle
from generation.submit import submit
from tests.emulators.vendor import Vendor
from tests.generation.conftest import DOLLAR, ended
from tests.servers import free_port

pytestmark = pytest.mark.django_db(transaction=True)

AddRoute = Callable[..., Route]
Run = Callable[..., Task]


@pytest.fixture(autouse=True)
def _nothing_heard() -> None:
    breaker.reset()


@pytest.fixture
def dead(add_route: AddRoute) -> Route:
    """The first route, where nobody listens."""
    return add_route(f"http://127.0.0.1:{free_port()}")


def let_time_pass(seconds: int) -> None:
    by = timedelta(seconds=seconds)
    Breaker.objects.update(open_until=F("open_until") - by, probe_until=F("probe_until") - by)


def test_it_opens_after_five_failures_in_a_row(
    alice: Caller, dead: Route, add_route: AddRoute, vendor: Vendor, run: Run
) -> None:
    add_route(vendor.url)
    assert [run(alice, "an egg").status for _ in range(8)] == ["completed"] * 8
    assert Attempt.objects.filter(route=dead).count() == 5
    row = Breaker.objects.get()
    assert (row.provider_id, row.upstream_model, row.seconds) == (dead.provider_id, "fast", 15)
    assert Alert.objects.get().cause == f"route:{dead.provider.name}:fast"


def test_a_dead_route_costs_a_task_seconds_at_most(
    alice: Caller, dead: Route, add_route: AddRoute, vendor: Vendor, run: Run
) -> None:
    add_route(vendor.url)
    begun = time.monotonic()
    task = run(alice, "an egg")
    assert (task.status, task.cost) == ("completed", 10_000)
    assert time.monotonic() - begun < 15
    assert list(task.attempts.order_by("n").values_list("outcome", flat=True)) == ["retryable", ""]


def test_a_route_that_is_down_opens_at_once(alice: Caller, vendor: Vendor, add_route: AddRoute, run: Run) -> None:
    add_route(vendor.url)
    task = run(alice, "vendor:e401")
    assert (task.ended, task.cost) == ("upstream_unavailable", 0)
    assert Breaker.objects.get().reason == "route_down: bad credential"
    assert Alert.objects.get().ended_at is None


def test_refusals_and_missing_images_open_nothing(alice: Caller, vendor: Vendor, add_route: AddRoute, run: Run) -> None:
    add_route(vendor.url)
    for prompt in ["vendor:refused", "vendor:invalid", "vendor:empty"] * 4:
        run(alice, prompt)
    assert not Breaker.objects.exists()


def test_what_a_vendor_may_have_against_one_prompt_opens_nothing(
    alice: Caller, vendor: Vendor, add_route: AddRoute, run: Run
) -> None:
    """Or one customer could have all routes closed for all others."""
    add_route(vendor.url)
    with Vendor() as healthy:
        healthy.overrides = {"fault": "ok"}
        add_route(healthy.url)
        for _ in range(6):
            run(alice, "vendor:odd")
    assert (len(vendor.seen), Breaker.objects.count()) == (6, 0)
    assert [alert.cause for alert in Alert.objects.all()] == ["answer:vendor-2:fast"]


def test_a_sandbox_that_fails_as_it_was_asked_to_stays_open(account: Account, engine: Loop[Any]) -> None:
    tester = Caller(account.pk, Mode.TEST)
    tasks = [submit(tester, {"model": "nanobanana", "prompt": "an egg sandbox:fail"})[0] for _ in range(6)]
    engine.wake()
    assert {ended(task).ended for task in tasks} == {"upstream_unavailable"}
    assert (Breaker.objects.count(), Alert.objects.count()) == (0, 0)


def test_what_we_did_not_send_opens_nothing(
    alice: Caller, vendor: Vendor, add_route: AddRoute, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a worker that is stopping, or was paused."""
    monkeypatch.setattr(process, "PAUSE_LIMIT", timedelta(seconds=-60))
    add_route(vendor.url)
    for _ in range(3):
        run(alice, "an egg")
    assert (len(vendor.seen), Breaker.objects.count()) == (0, 0)
    assert set(Purchase.objects.values_list("state", "cost")) == {("not_sent", 0)}


@pytest.mark.parametrize("prompt", ["vendor:odd", "vendor:refused"])
def test_a_probe_that_says_nothing_makes_room_for_the_next(
    prompt: str, alice: Caller, vendor: Vendor, add_route: AddRoute, run: Run
) -> None:
    first = add_route(vendor.url)
    with Vendor() as healthy:
        healthy.overrides = {"fault": "ok"}
        add_route(healthy.url)
        run(alice, "vendor:e401")
        let_time_pass(15)
        run(alice, prompt)
        assert run(alice, "an egg").attempts.get().route == first
    assert not Breaker.objects.exists()


def test_a_probe_that_works_closes_it(alice: Caller, vendor: Vendor, add_route: AddRoute, run: Run) -> None:
    add_route(vendor.url)
    run(alice, "vendor:e401")
    let_time_pass(15)
    assert run(alice, "an egg").status == "completed"
    assert not Breaker.objects.exists()
    assert Alert.objects.get().ended_at is not None


def test_a_probe_that_fails_opens_it_for_twice_as_long(
    alice: Caller, vendor: Vendor, add_route: AddRoute, run: Run
) -> None:
    add_route(vendor.url)
    seconds = []
    for _ in range(7):
        run(alice, "vendor:e401")
        row = Breaker.objects.get()
        seconds.append(row.seconds)
        let_time_pass(row.seconds)
    assert seconds == [15, 30, 60, 120, 240, 300, 300]
    assert Alert.objects.get().count == 7


def test_of_a_hundred_waiting_tasks_one_is_the_probe(
    alice: Caller, vendor: Vendor, add_route: AddRoute, engine: Loop[Any], run: Run
) -> None:
    add_route(vendor.url)
    run(alice, "vendor:e401")
    tasks = [submit(alice, {"model": "nanobanana", "prompt": "an egg"})[0] for _ in range(50)]
    seen = len(vendor.seen)
    vendor.overrides = {"fault": "hold-sync"}  # the probe is out, and does not come back yet
    let_time_pass(15)
    Task.objects.filter(next_run_at__isnull=False).update(next_run_at=F("created_at"))
    engine.wake()
    until = time.monotonic() + 30
    while len(vendor.seen) == seen and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(2.5)
    assert len(vendor.seen) - seen == 1
    vendor.overrides = {"fault": "ok"}
    vendor.release.set()
    assert [ended(task).status for task in tasks] == ["completed"] * 50


def wait_for_attempts(route: Route) -> None:
    """What has not failed yet opens no breaker: on a busy machine many could be under way at once."""
    until = time.monotonic() + 10
    while Attempt.objects.filter(route=route, state=Attempt.State.LIVE).exists() and time.monotonic() < until:
        time.sleep(0.01)


def test_an_outage_is_met_by_a_handful_of_attempts(
    account: Account, alice: Caller, dead: Route, add_route: AddRoute, vendor: Vendor, engine: Loop[Any]
) -> None:
    """Twenty tasks a second for six seconds, and the minute's breaker times brought forward."""
    ledger.credit(account, Mode.LIVE, DOLLAR, reason="test")
    add_route(vendor.url)
    tasks = []
    for second in range(6):
        for _ in range(20):
            tasks.append(submit(alice, {"model": "nanobanana", "prompt": "an egg"})[0])
            engine.wake()
            time.sleep(0.05)
            wait_for_attempts(dead)
        if second in {2, 4}:  # 15 s and then 30 s have passed
            let_time_pass(30)
    assert {ended(task).status for task in tasks} == {"completed"}
    probes = 2
    assert Attempt.objects.filter(route=dead).count() <= breaker.CONSECUTIVE + probes


@pytest.mark.postgres_only
def test_two_workers_that_hear_of_two_probes_do_not_deadlock(
    add_route: AddRoute, monkeypatch: pytest.MonkeyPatch
) -> None:
    routes = [add_route("http://127.0.0.1:1") for _ in range(2)]
    now, judging, errors = clock.now(), breaker._judge, []
    for route in routes:
        way = {"provider": route.provider, "upstream_model": route.upstream_model, "probe": f"probe {route.pk}"}
        Breaker.objects.create(**way, opened_at=now, open_until=now, seconds=15)

    def slowly(*args: Any) -> None:
        judging(*args)
        time.sleep(0.5)

    def hear(routes: list[Route]) -> None:
        try:
            with transaction.atomic():
                breaker.hear(failure(route, f"probe {route.pk}") for route in routes)
        except OperationalError as error:
            errors.append(error)
        finally:
            connection.close()

    monkeypatch.setattr(breaker, "_judge", slowly)
    threads = [threading.Thread(target=hear, args=[order]) for order in (routes, routes[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (errors, set(Breaker.objects.values_list("seconds", flat=True))) == ([], {30})


def failure(route: Route, attempt_id: str) -> Attempt:
    attempt = Attempt(id=attempt_id, route=route, outcome="retryable", message="connection refused")
    attempt.bought = []
    return attempt


@pytest.mark.parametrize(("before", "together", "opens"), [(0, 3, False), (4, 2, True)])
def test_what_is_rolled_back_and_run_again_is_heard_once(
    before: int, together: int, opens: bool, add_route: AddRoute
) -> None:
    """A batch whose transaction fails is run again one by one."""

    def hear(attempts: list[Attempt]) -> list[Attempt]:
        breaker.hear(attempts)
        if len(attempts) > 1:
            raise RuntimeError("one of them is bad")
        return attempts

    route = add_route("http://127.0.0.1:1")
    failures = [failure(route, f"{number}") for number in range(before + together)]
    for attempt in failures[:before]:
        batch.run(hear, [attempt])
    batch.run(hear, failures[before:])
    assert Breaker.objects.exists() is opens


def test_a_breaker_that_cannot_be_opened_spoils_no_settlement(
    add_route: AddRoute, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attempts it is about have ended, and nobody may be told otherwise."""

    def away(*_: Any) -> None:
        raise OperationalError("the database is away")

    def hear(attempts: list[Attempt]) -> list[bool]:
        breaker.hear(attempts)
        return [True] * len(attempts)

    route = add_route("http://127.0.0.1:1")
    with monkeypatch.context() as patch:
        patch.setattr(breaker, "_open", away)
        assert batch.run(hear, [failure(route, f"{number}") for number in range(5)]) == [True] * 5
    assert batch.run(hear, [failure(route, "5")]) == [True]
    assert Breaker.objects.exists()


def test_failures_in_a_row_may_be_far_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where few customers come by, as in the first days of an installation."""
    times = iter(range(0, 600, 60))
    monkeypatch.setattr("time.monotonic", lambda: next(times))
    window = Window()
    assert [window.hear(failed) for failed in (True, False, *[True] * 5)] == [False] * 6 + [True]


@pytest.mark.parametrize(("seconds", "polls", "opens"), [(300, 100, True), (300, 3, False), (60, 100, False)])
def test_a_vendor_that_never_comes_to_an_end_is_left_alone(
    seconds: int, polls: int, opens: bool, alice: Caller, add_route: AddRoute
) -> None:
    """But not for a customer's short deadline, nor for what nobody asked about meanwhile."""
    route, now = add_route("http://127.0.0.1:1"), clock.now()
    for number in range(5):
        task = submit(alice, {"model": "nanobanana", "prompt": "an egg"})[0]
        begun = now - timedelta(seconds=seconds)
        attempt = Attempt.objects.create(
            id=Attempt.id_of(task.id, 1), task_id=task.id, n=1, route=route, started_at=begun
        )
        Purchase.objects.create(
            client_ref=f"egg_{number}",
            attempt=attempt,
            index=0,
            first_image=0,
            images_asked=1,
            state="accepted",
            polls=polls,
            sent_at=begun,
        )
        assert settle([Ending(task, "deadline", "Timed out.")]) == [True]
    assert Breaker.objects.exists() is opens


def test_a_window_forgets_and_costs_the_same_however_many_it_hears(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    window = Window()
    begun = time.thread_time()
    assert not any(window.hear(number % 2 == 0) for number in range(9))
    assert not any(window.hear(False) for _ in range(30_000))
    assert time.thread_time() - begun < 2
    now = 31.0
    assert [window.hear(number % 2 == 0) for number in range(11)] == [False] * 10 + [True]
    assert len(window.calls) == 11
