"""Bad days of vendors: what a task comes to, when, and what it costs."""

import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.files.storage import default_storage
from pytest_django import Settings

from accounts.caller import Caller
from eggapi import alerts
from eggapi.loop import Loop
from eggapi.models import Alert
from generation import breaker
from generation.models import Attempt, Breaker, Purchase, Route, Task
from generation.submit import submit
from tests.emulators.kie import Kie
from tests.emulators.upstream import Ask
from tests.emulators.vendor import Vendor
from tests.emulators.vendors import BY_NAME, VENDORS
from tests.emulators.vendors import Vendor as Entry
from tests.generation.conftest import assert_free, ended
from tests.generation.garbled import GARBAGE, Garbled, garbled
from tests.kit.log import Lines, written
from tests.servers import free_port
from webhooks.models import Delivery

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.once]

Run = Callable[..., Task]
AddRoute = Callable[..., Route]
MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def _nothing_heard() -> None:
    breaker.reset()


@pytest.fixture
def kie(sell: AddRoute) -> Iterator[Garbled]:
    """The first route."""
    with garbled(Kie) as running:
        sell(running, "kie", BY_NAME["kie"].fast)
        yield running


@pytest.fixture
def gemini(sell: AddRoute) -> Iterator[Garbled]:
    """The first route, to a vendor that answers with the pictures."""
    with garbled(BY_NAME["gemini"].emulator) as running:
        sell(running, "gemini", BY_NAME["gemini"].fast)
        yield running


@pytest.fixture
def well(vendor: Vendor) -> Vendor:
    """For a second route, to a vendor that has no bad days."""
    vendor.overrides = {"fault": "ok"}
    return vendor


def crashes(log: Lines) -> list[dict[str, Any]]:
    return [line for line in log.lines if line["logger"] == "eggapi.loop"]


# -- when to come back -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "seconds"), [("again-soon", 1), ("again-garbage", 2), ("again-negative", 2), ("again-unsaid", 2)]
)
def test_the_only_route_is_asked_again_when_it_said_or_after_a_wait_of_ours(
    fault: str, seconds: float, alice: Caller, kie: Garbled, run: Run
) -> None:
    assert run(alice, f"an egg fault:{fault}").status == "completed"
    first, second = kie.times
    assert second - first >= seconds
    assert Attempt.objects.get(n=1).retry_after == (1 if fault == "again-soon" else None)


def test_a_wait_that_stands_in_the_body_is_kept_too(alice: Caller, gemini: Garbled, run: Run) -> None:
    run(alice, "an egg fault:e429-retryinfo")
    assert gemini.times[1] - gemini.times[0] >= 1.5
    assert Attempt.objects.get(n=1).retry_after == 1.5


def test_a_wait_beyond_the_deadline_is_not_begun(alice: Caller, kie: Garbled, run: Run) -> None:
    task = run(alice, "an egg fault:again-tomorrow")
    assert (task.ended, len(kie.asked)) == ("upstream_unavailable", 1)


def test_a_wait_is_not_begun_where_another_route_is_free(
    alice: Caller, kie: Garbled, well: Vendor, add_route: AddRoute, run: Run
) -> None:
    add_route(well.url)
    assert run(alice, "an egg fault:again-soon").status == "completed"
    assert (len(kie.asked), len(well.seen)) == (1, 1)


def test_with_all_routes_down_a_task_fails_in_time_and_is_free(
    alice: Caller, kie: Garbled, add_route: AddRoute, run: Run
) -> None:
    add_route(f"http://127.0.0.1:{free_port()}")
    task = run(alice, "an egg fault:e503", deadline_seconds=40, webhook_url="https://customer.example/told")
    assert (task.ended, task.error) == ("upstream_unavailable", "No provider could complete this request.")
    assert task.completed_at is not None
    assert task.completed_at <= task.deadline_at
    assert_free(alice, task)
    delivery = Delivery.objects.get(event__task_id=task.pk)
    assert (delivery.event.type, delivery.state) == ("task.failed", "due")


# -- answers that say nothing ----------------------------------------------------------------------


@pytest.mark.parametrize("entry", VENDORS, ids=str)
def test_garbage_in_place_of_an_answer_is_borne(
    entry: Entry,
    alice: Caller,
    well: Vendor,
    sell: AddRoute,
    add_route: AddRoute,
    engine: Loop[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In answer to a submit it leads to the next route, in answer to a poll to the next poll."""
    monkeypatch.setattr(breaker, "CONSECUTIVE", 99)
    where = ["submit"] if entry.synchronous else ["submit", "poll"]
    with garbled(entry.emulator) as upstream, written() as log:
        sell(upstream, entry.adapter, entry.fast)
        add_route(well.url)
        prompts = [f"an egg fault:{place}-{name}" for place in where for name in GARBAGE]
        tasks = [submit(alice, {"model": "nanobanana", "prompt": prompt})[0] for prompt in prompts]
        engine.wake()
        assert {ended(task, 40).status for task in tasks} == {"completed"}
        assert sorted(ask.prompt for ask in upstream.asked) == sorted(prompts)
    assert sorted(job["prompt"] for job in well.seen) == sorted(prompt for prompt in prompts if "submit-" in prompt)
    assert crashes(log) == []


def test_fifty_megabytes_in_answer_to_a_poll_take_little_memory(alice: Caller, kie: Garbled, run: Run) -> None:
    tracemalloc.start()
    task = run(alice, "an egg fault:poll-endless", deadline_seconds=10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert task.ended == "deadline"
    assert kie.asked[0].polls > 2
    assert peak < 24 * MIB
    assert_free(alice, task)


def test_what_drips_ends_at_the_deadline(alice: Caller, kie: Garbled, engine: Loop[Any]) -> None:
    """Be it the answer to a submit or a poll, or the file."""
    faults = ["drip", "poll-drip", "slow-file"]
    requests = [{"model": "nanobanana", "prompt": f"fault:{fault}", "deadline_seconds": 10} for fault in faults]
    tasks = [submit(alice, request)[0] for request in requests]
    engine.wake()
    for task in tasks:
        ended(task)
        assert task.ended == "deadline"
        assert task.completed_at is not None
        assert timedelta(0) <= task.completed_at - task.deadline_at < timedelta(seconds=5)
    assert_free(alice, *tasks)


# -- jobs ------------------------------------------------------------------------------------------


class Forgetful(Kie):
    """The first of two jobs is done at once and at work again ever after; the second takes three polls."""

    def state(self, ask: Ask) -> str:
        super().state(ask)
        return "done" if ask.polls == (1 if ask is self.asked[0] else 3) else "working"


def test_a_job_that_was_done_once_is_not_asked_about_again(alice: Caller, sell: AddRoute, run: Run) -> None:
    with Forgetful() as upstream:
        sell(upstream, "kie", BY_NAME["kie"].fast)
        task = run(alice, "an egg", num_outputs=2)
        time.sleep(0.5)
        assert [ask.polls for ask in upstream.asked] == [1, 3]
    assert (task.status, task.cost, task.outputs.count()) == ("completed", 20_000, 2)


def test_a_job_that_is_done_too_late_changes_nothing(alice: Caller, kie: Garbled, run: Run) -> None:
    task = run(alice, "an egg fault:late", deadline_seconds=10)
    polls = kie.asked[0].polls
    kie.release.set()
    time.sleep(1.5)
    assert kie.asked[0].polls == polls
    purchase = Purchase.objects.get()
    assert (task.ended, purchase.state, purchase.upstream_id) == ("deadline", "accepted", kie.asked[0].id)
    assert purchase.leak == 5000
    assert_free(alice, task)


def test_pictures_that_come_too_late_are_kept_and_not_charged(alice: Caller, gemini: Garbled, run: Run) -> None:
    task = run(alice, "an egg fault:late", deadline_seconds=10)
    gemini.release.set()
    until = time.monotonic() + 30
    while not (images := Purchase.objects.get().images) and time.monotonic() < until:
        time.sleep(0.02)
    assert [default_storage.exists(image["path"]) for image in images] == [True]
    assert (task.ended, Purchase.objects.get().leak) == ("deadline", 5000)
    assert_free(alice, task)


# -- files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["file-nothing", "file-large", "file-bomb", "file-small"])
def test_a_file_that_is_not_the_picture_asked_for_is_not_charged(
    fault: str, alice: Caller, kie: Garbled, run: Run
) -> None:
    task = run(alice, f"an egg fault:{fault}", resolution="1k")
    assert (task.ended, task.error) == ("no_image", "No provider returned a usable image.")
    assert_free(alice, task)


@pytest.mark.parametrize("fault", ["file-mislabelled", "file-small"])
def test_a_file_is_taken_for_what_it_is(fault: str, alice: Caller, kie: Garbled, run: Run) -> None:
    """Whatever it is called, and however small, where no resolution was asked for."""
    task = run(alice, f"an egg fault:{fault}")
    assert (task.status, task.cost, task.outputs.get().content_type) == ("completed", 10_000, "image/png")


# -- routes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 402])
def test_a_vendor_that_wants_another_key_or_money_is_left_alone(
    status: int, alice: Caller, kie: Garbled, well: Vendor, add_route: AddRoute, run: Run
) -> None:
    add_route(well.url)
    assert [run(alice, f"an egg fault:status-{status}").status for _ in range(3)] == ["completed"] * 3
    assert (len(kie.asked), len(well.seen)) == (1, 3)
    assert Breaker.objects.get().reason.startswith(f"route_down: {status} ")
    assert Alert.objects.get().count == 1


@pytest.mark.parametrize("fault", ["status-402", "bad-request"])
def test_fifty_failures_are_told_of_once(
    fault: str,
    alice: Caller,
    kie: Garbled,
    well: Vendor,
    add_route: AddRoute,
    engine: Loop[Any],
    settings: Settings,
) -> None:
    settings.EGGAPI_OPS_EMAIL = "operator@example.com"
    add_route(well.url)
    tasks = [submit(alice, {"model": "nanobanana", "prompt": f"an egg fault:{fault}"})[0] for _ in range(50)]
    engine.wake()
    for task in tasks:
        assert ended(task, 30).status == "completed"
        alerts.tell()
    assert len(mail.outbox) == Alert.objects.count()


@pytest.mark.parametrize(("name", "fault"), [("kie", "refused-later"), ("gemini", "finish-IMAGE_SAFETY")])
def test_a_picture_that_is_withheld_is_not_drawn_elsewhere(
    name: str,
    fault: str,
    alice: Caller,
    well: Vendor,
    add_route: AddRoute,
    run: Run,
    request: pytest.FixtureRequest,
) -> None:
    request.getfixturevalue(name)
    add_route(well.url)
    task = run(alice, f"an egg fault:{fault}")
    assert (task.ended, task.error) == ("refused", "Content moderation: prompt contains prohibited content")
    assert well.seen == []
    assert_free(alice, task)
