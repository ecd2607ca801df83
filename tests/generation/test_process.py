"""What becomes of a task for everything a vendor can do."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from accounts.caller import Caller
from accounts.models import Account
from billing.models import Hold, Wallet
from eggapi import alerts, clock
from eggapi.loop import Loop
from generation import references, route, settle
from generation.models import Attempt, Purchase, Route, Task
from generation.providers.base import Accepted, Pending
from generation.submit import submit
from tests.emulators.vendor import Speaks, SpeaksAndFinds, SpeaksOneByOne, Vendor
from tests.generation.conftest import DOLLAR, assert_free, ended
from webhooks.models import Event

pytestmark = pytest.mark.django_db(transaction=True)

Run = Callable[..., Task]
AddRoute = Callable[..., Route]


def wallet(caller: Caller) -> Wallet:
    return Wallet.objects.get(pk=Wallet.id_of(caller.account_id, caller.mode))


def outcomes(task: Task) -> list[str]:
    return list(Attempt.objects.filter(task=task).order_by("n").values_list("outcome", flat=True))


def test_it_works(alice: Caller, vendor: Vendor, add_route: AddRoute, run: Run) -> None:
    add_route(vendor.url)
    task = run(alice, "an egg", num_outputs=2)
    assert (task.status, task.ended, task.cost, task.error) == ("completed", "completed", 20_000, "")
    assert [(o.index, o.width, o.height) for o in task.outputs.order_by("index")] == [(0, 320, 180), (1, 320, 180)]
    assert (wallet(alice).posted, wallet(alice).held) == (DOLLAR - 20_000, 0)
    assert Event.objects.get(task_id=task.pk).type == "task.completed"
    assert list(vendor.billed.values()) == [1]


@pytest.mark.parametrize("fault", ["drop", "e500", "garbage", "empty", "page", "cut", "none", "gone", "failed"])
def test_it_pays_a_route_once_and_falls_back(
    fault: str, alice: Caller, vendor: Vendor, add_route: AddRoute, run: Run
) -> None:
    with Vendor() as healthy:
        add_route(vendor.url)
        add_route(healthy.url)
        healthy.overrides = {"fault": "ok"}
        task = run(alice, f"an egg vendor:{fault}")
    assert (task.status, task.cost) == ("completed", 10_000)
    assert (len(vendor.seen), len(healthy.seen)) == (1, 1)
    unknown = fault in {"drop", "e500", "garbage"}
    assert outcomes(task) == ["unknown" if unknown else "retryable" if fault == "failed" else "no_image", ""]
    assert Purchase.objects.get(attempt__task=task, attempt__n=1).leak == 5000


@pytest.mark.parametrize("fault", ["e503", "e429", "e401"])
def test_a_rejection_buys_nothing_and_falls_back(
    fault: str, alice: Caller, vendor: Vendor, add_route: AddRoute, run: Run
) -> None:
    with Vendor() as healthy:
        add_route(vendor.url)
        add_route(healthy.url)
        healthy.overrides = {"fault": "ok"}
        task = run(alice, f"an egg vendor:{fault}")
    assert (task.status, len(vendor.seen), sum(vendor.billed.values())) == ("completed", 1, 0)
    assert Purchase.objects.get(attempt__task=task, attempt__n=1).cost == 0


@pytest.mark.parametrize("fault", ["refused", "refused-later"])
def test_a_refusal_is_final(fault: str, alice: Caller, vendor: Vendor, add_route: AddRoute, run: Run) -> None:
    with Vendor() as laxer:
        add_route(vendor.url)
        add_route(laxer.url)
        task = run(alice, f"an egg vendor:{fault}")
        assert laxer.seen == []
    assert task.error.startswith("Content moderation: ")
    assert task.ended == "refused"
    assert_free(alice, task)


def test_a_fault_of_the_customer_is_final(alice: Caller, vendor: Vendor, add_route: AddRoute, run: Run) -> None:
    add_route(vendor.url)
    task = run(alice, "an egg vendor:invalid")
    assert (task.ended, task.error) == ("invalid", "the picture is too small")
    assert_free(alice, task)


def test_a_busy_route_is_asked_three_times_when_there_is_no_other(
    alice: Caller, vendor: Vendor, add_route: AddRoute, run: Run
) -> None:
    add_route(vendor.url)
    task = run(alice, "an egg vendor:e429")
    assert (task.ended, len(vendor.seen)) == ("upstream_unavailable", 3)
    assert_free(alice, task)


def test_a_wait_beyond_the_deadline_is_not_waited_for(
    alice: Caller, vendor: Vendor, add_route: AddRoute, run: Run
) -> None:
    add_route(vendor.url)
    task = run(alice, "an egg vendor:e429-long")
    assert (task.ended, len(vendor.seen)) == ("upstream_unavailable", 1)


def test_an_unreachable_route_is_tried_twice(alice: Caller, vendor: Vendor, add_route: AddRoute, run: Run) -> None:
    add_route("http://127.0.0.1:9")
    task = run(alice, "an egg")
    assert task.ended == "upstream_unavailable"
    assert [p.state for p in Purchase.objects.filter(attempt__task=task)] == ["not_sent", "not_sent"]
    assert_free(alice, task)


def test_a_lost_answer_is_looked_up(alice: Caller, vendor: Vendor, add_route: AddRoute, run: Run) -> None:
    add_route(vendor.url, SpeaksAndFinds)
    task = run(alice, "an egg vendor:drop")
    assert (task.status, len(vendor.seen), outcomes(task)) == ("completed", 1, [""])


def test_a_job_that_cannot_be_found_is_given_up_as_unknown(
    alice: Caller, vendor: Vendor, add_route: AddRoute, run: Run
) -> None:
    add_route(vendor.url, SpeaksAndFinds)
    task = run(alice, "an egg vendor:drop-unseen", deadline_seconds=10)
    purchase = Purchase.objects.get(attempt__task=task)
    assert (task.status, purchase.state, len(vendor.seen)) == ("failed", "unknown", 1)
    assert purchase.leak == 5000


def test_several_purchases_make_one_task(alice: Caller, vendor: Vendor, add_route: AddRoute, run: Run) -> None:
    add_route(vendor.url, SpeaksOneByOne)
    task = run(alice, "an egg", num_outputs=4)
    assert (task.cost, len(vendor.seen)) == (40_000, 4)
    assert list(task.outputs.order_by("index").values_list("index", flat=True)) == [0, 1, 2, 3]
    assert Attempt.objects.filter(task=task).count() == 1


def test_it_charges_for_what_was_stored(alice: Caller, vendor: Vendor, add_route: AddRoute, run: Run) -> None:
    add_route(vendor.url)
    task = run(alice, "an egg vendor:fewer", num_outputs=4)
    assert (task.status, task.cost, wallet(alice).held) == ("completed", 30_000, 0)
    hold = Hold.objects.get(pk=task.pk)
    assert (hold.amount, hold.captured) == (40_000, 30_000)


@pytest.mark.parametrize(("fault", "state"), [("one-stuck", "accepted"), ("one-hold-sync", "done")])
def test_at_its_deadline_a_task_ends_with_what_is_stored(
    fault: str, state: str, alice: Caller, vendor: Vendor, add_route: AddRoute, run: Run
) -> None:
    """What comes later was paid for and is kept for the operator; nobody is charged for it."""
    add_route(vendor.url, SpeaksOneByOne)
    task = run(alice, f"an egg vendor:{fault}", num_outputs=4, deadline_seconds=10)
    assert (task.status, task.ended, task.cost, task.outputs.count()) == ("completed", "completed", 30_000, 3)
    vendor.release.set()
    until = time.monotonic() + 10
    while Purchase.objects.filter(state="submitting").exists() and time.monotonic() < until:
        time.sleep(0.05)
    leaks = Purchase.objects.order_by("-leak", "index").values_list("state", "leak")
    assert list(leaks) == [(state, 5000), ("done", 0), ("done", 0), ("done", 0)]
    assert (wallet(alice).posted, wallet(alice).held) == (970_000, 0)


def test_what_failed_beside_what_was_sold_is_a_leak(
    alice: Caller, vendor: Vendor, add_route: AddRoute, run: Run
) -> None:
    add_route(vendor.url, SpeaksOneByOne)
    task = run(alice, "an egg vendor:one-failed", num_outputs=4)
    assert (task.status, task.cost) == ("completed", 30_000)
    leaks = Purchase.objects.order_by("-state").values_list("state", "leak")
    assert list(leaks) == [("failed", 5000), ("done", 0), ("done", 0), ("done", 0)]


def test_it_stores_no_more_than_asked(alice: Caller, vendor: Vendor, add_route: AddRoute, run: Run) -> None:
    add_route(vendor.url)
    task = run(alice, "an egg vendor:more", num_outputs=2)
    assert (task.cost, task.outputs.count()) == (20_000, 2)


def test_a_vendor_with_the_answer_at_once_is_not_polled(
    alice: Caller, vendor: Vendor, add_route: AddRoute, run: Run
) -> None:
    add_route(vendor.url)
    assert run(alice, "an egg vendor:sync").status == "completed"
    assert vendor.polls == {}


def test_a_poll_that_fails_is_made_again(alice: Caller, vendor: Vendor, add_route: AddRoute, run: Run) -> None:
    add_route(vendor.url)
    assert run(alice, "an egg vendor:flapping").status == "completed"
    assert (len(vendor.seen), vendor.polls) == (1, {"job0": 3})


@pytest.mark.parametrize("fault", ["stuck", "hold"])
def test_it_ends_by_the_deadline(fault: str, alice: Caller, vendor: Vendor, add_route: AddRoute, run: Run) -> None:
    add_route(vendor.url)
    task = run(alice, f"an egg vendor:{fault}", deadline_seconds=10)
    assert (task.ended, task.error) == ("deadline", "Timed out after 10 seconds.")
    assert_free(alice, task)


def test_pictures_that_come_too_late_are_kept_for_the_operator(
    alice: Caller, vendor: Vendor, add_route: AddRoute, run: Run
) -> None:
    add_route(vendor.url)
    task = run(alice, "an egg vendor:hold-sync", deadline_seconds=10)
    vendor.release.set()
    purchase = Purchase.objects.get(attempt__task=task)
    for _ in range(1000):
        purchase.refresh_from_db()
        if purchase.images:
            break
        time.sleep(0.02)
    assert (purchase.state, len(purchase.images), purchase.leak) == ("done", 1, 5000)
    task.refresh_from_db()
    assert (task.status, task.outputs.count()) == ("failed", 0)
    assert_free(alice, task)


def test_a_vendor_may_say_when_to_ask_in_whole_seconds(
    alice: Caller, vendor: Vendor, add_route: AddRoute, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted = Speaks.submit

    def with_wait(self: Speaks, job: Any) -> Any:
        result = yield from accepted(self, job)
        assert isinstance(result, Accepted)
        return replace(result, wait=1)

    monkeypatch.setattr(Speaks, "submit", with_wait)
    add_route(vendor.url)
    started = time.monotonic()
    assert run(alice, "an egg").status == "completed"
    assert time.monotonic() - started >= 1


@pytest.mark.parametrize(("told", "least"), [(3600.0, 1), (0.0, 2)])
def test_what_a_vendor_says_of_the_next_poll_is_kept_within_reason(
    told: float,
    least: float,
    alice: Caller,
    vendor: Vendor,
    add_route: AddRoute,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is not asked again without a pause, nor only when it is too late."""
    polled, waits = Speaks.poll, [told, told]

    def busy_at_first(self: Speaks, job: Any, upstream_id: str) -> Any:
        result = yield from polled(self, job, upstream_id)
        return Pending(wait=waits.pop()) if waits else result

    monkeypatch.setattr(Speaks, "poll", busy_at_first)
    monkeypatch.setattr(Speaks, "poll_every", 1.0)
    add_route(vendor.url)
    started = time.monotonic()
    assert run(alice, "an egg", deadline_seconds=10).status == "completed"
    assert time.monotonic() - started >= least


def test_nothing_is_bought_once_the_deadline_has_passed(
    alice: Caller, vendor: Vendor, add_route: AddRoute, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the purchase was being written down, say."""
    opened = route.open_next

    def slowly(searches: list[route.Search]) -> Any:
        found = opened(searches)
        for search in searches:
            search.task.deadline_at = clock.now() - timedelta(seconds=1)
        return found

    monkeypatch.setattr(route, "open_next", slowly)
    add_route(vendor.url)
    task = run(alice, "an egg")
    assert (task.status, vendor.seen) == ("failed", [])
    assert_free(alice, task)


def test_a_route_may_be_added_while_a_task_is_under_way(
    alice: Caller,
    vendor: Vendor,
    add_route: AddRoute,
    run: Run,
    pictures: Callable[[int], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, fetch = add_route("http://127.0.0.1:9"), references._fetch

    def meanwhile(*args: Any) -> Any:
        second = add_route(vendor.url)
        Route.objects.filter(pk=second.pk).update(priority=first.priority - 1)
        connection.close()
        return fetch(*args)

    monkeypatch.setattr(references, "_fetch", meanwhile)
    task = run(alice, "an egg", image_urls=pictures(1))
    assert (task.status, len(vendor.seen), outcomes(task)) == ("completed", 1, [""])


def test_the_answer_to_a_paid_call_is_saved_even_after_the_deadline(
    alice: Caller, vendor: Vendor, add_route: AddRoute, run: Run
) -> None:
    add_route(vendor.url)
    task = run(alice, "an egg vendor:hold", deadline_seconds=10)
    vendor.release.set()
    purchase = Purchase.objects.get(attempt__task=task)
    for _ in range(1000):
        purchase.refresh_from_db()
        if purchase.state == "accepted":
            break
        time.sleep(0.02)
    assert (purchase.state, purchase.upstream_id, purchase.leak) == ("accepted", "job0", 5000)


def test_a_stranger_pays_nothing(
    alice: Caller, account: Account, vendor: Vendor, add_route: AddRoute, run: Run
) -> None:
    add_route(vendor.url)
    run(alice, "an egg")
    assert Wallet.objects.get(account=account, mode="test").posted == 100 * DOLLAR


def test_an_answer_is_not_lost_with_the_alert_about_it(
    alice: Caller, vendor: Vendor, add_route: AddRoute, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    report, away = alerts.report, [OperationalError("the database is away")]

    def once_away(batch: list[alerts.Raised]) -> Any:
        if away:
            raise away.pop()
        return report(batch)

    monkeypatch.setattr(alerts, "report", once_away)
    add_route(vendor.url)
    with Vendor() as healthy:
        healthy.overrides = {"fault": "ok"}
        add_route(healthy.url)
        task = run(alice, "an egg vendor:odd")
    assert (task.status, away, outcomes(task)) == ("completed", [], ["retryable", ""])


def test_a_commit_whose_answer_was_lost_makes_no_leak_of_what_was_sold(
    alice: Caller, vendor: Vendor, add_route: AddRoute, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled, lost = settle.settle, [OperationalError("the connection is lost")]

    def unheard(endings: list[settle.Ending]) -> list[bool]:
        won = settled(endings)
        if lost:
            transaction.on_commit(lambda: throw(lost.pop()))
        return won

    monkeypatch.setattr(settle, "settle", unheard)
    add_route(vendor.url)
    task = run(alice, "an egg")
    until = time.monotonic() + 10
    while lost and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(1)  # in which it is settled once more, in vain
    assert (task.status, task.cost, lost) == ("completed", 10_000, [])
    assert list(Purchase.objects.values_list("state", "leak")) == [("done", 0)]


def throw(error: Exception) -> None:
    raise error


@pytest.mark.postgres_only
def test_an_answer_outlives_a_lost_database_connection(
    alice: Caller, vendor: Vendor, add_route: AddRoute, engine: Loop[Any]
) -> None:
    add_route(vendor.url)
    task, _ = submit(alice, {"model": "nanobanana", "prompt": "an egg vendor:hold"})
    engine.wake()
    while not vendor.seen:
        time.sleep(0.02)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid != pg_backend_pid()"
            " AND datname = current_database()"
        )
    vendor.release.set()
    assert ended(task).status == "completed"
    assert (len(vendor.seen), outcomes(task)) == (1, [""])
