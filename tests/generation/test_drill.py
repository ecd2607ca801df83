"""A fire drill: one route is made to fail, and tasks take the next."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from accounts.caller import Caller
from accounts.models import Account, AuditEntry, Mode, User
from eggapi import clock
from eggapi.models import Alert
from generation import breaker, catalog, drill, receipt
from generation.models import Attempt, Breaker, CatalogueVersion, Provider, Purchase, Route, Task
from tests.emulators.vendor import Vendor

pytestmark = pytest.mark.django_db(transaction=True)

AddRoute = Callable[..., Route]
Run = Callable[..., Task]


@pytest.fixture
def second() -> Vendor:
    return Vendor()


def test_it_works(alice: Caller, vendor: Vendor, second: Vendor, add_route: AddRoute, run: Run) -> None:
    """The task completes on the second route, and the first vendor has nothing to bill."""
    first = add_route(vendor.url)
    with second:
        add_route(second.url)
        assert drill.start(first)
        task = run(alice, "an egg")
    assert (task.status, len(vendor.seen), len(second.seen) > 0) == ("completed", 0, True)
    drilled, delivered = Attempt.objects.order_by("n")
    assert (drilled.route_id, drilled.outcome, drilled.message) == (first.pk, "retryable", "fire drill")
    unsent = Purchase.objects.get(attempt=drilled)
    assert (unsent.state, unsent.cost, unsent.leak) == ("not_sent", 0, 0)
    told = [(each.route, each.outcome) for each in receipt.read(task).attempts]
    assert told == [(first.label, "unavailable"), (delivered.route.label, "delivered")]


def test_it_alerts_nobody_and_leaves_the_breaker_closed(
    alice: Caller, vendor: Vendor, second: Vendor, add_route: AddRoute, run: Run
) -> None:
    breaker.reset()
    first = add_route(vendor.url)
    with second:
        add_route(second.url)
        drill.start(first)
        assert {run(alice, "an egg").status for _ in range(6)} == {"completed"}
    assert (Attempt.objects.filter(route=first).count(), len(vendor.seen)) == (6, 0)
    assert (Breaker.objects.count(), Alert.objects.count()) == (0, 0)


def test_a_task_without_another_route_fails_free_of_charge(
    alice: Caller, vendor: Vendor, add_route: AddRoute, run: Run
) -> None:
    drill.start(add_route(vendor.url))
    task = run(alice, "an egg")
    assert (task.status, task.ended, task.cost, len(vendor.seen)) == ("failed", "upstream_unavailable", 0, 0)


def test_the_sandbox_can_be_drilled_too(account: Account, run: Run) -> None:
    first, second = Route.objects.filter(model__name="nanobanana").order_by("priority", "pk")[:2]
    drill.start(first)
    task = run(Caller(account.pk, Mode.TEST), "an egg")
    assert task.status == "completed"
    assert list(task.attempts.order_by("n").values_list("route", "message")) == [
        (first.pk, "fire drill"),
        (second.pk, ""),
    ]


def test_it_is_over_when_its_time_is_up(alice: Caller, vendor: Vendor, add_route: AddRoute, run: Run) -> None:
    route = add_route(vendor.url)
    drill.start(route)
    Route.objects.update(drill_until=clock.now())
    catalog._forget()
    assert (run(alice, "an egg").status, Attempt.objects.count()) == ("completed", 1)


def test_it_can_be_stopped(alice: Caller, vendor: Vendor, add_route: AddRoute, run: Run) -> None:
    route = add_route(vendor.url)
    drill.start(route)
    assert drill.stop(route)
    assert not drill.stop(route)
    assert (run(alice, "an egg").status, Attempt.objects.count()) == ("completed", 1)


@pytest.mark.once
def test_running_processes_hear_of_it_and_the_log_says_who(
    account: Account, vendor: Vendor, add_route: AddRoute
) -> None:
    route = add_route(vendor.url)
    ann = User.objects.get(email="alice@example.com")
    version = CatalogueVersion.objects.get().number
    until = drill.start(route, ann)
    assert until
    assert timedelta(seconds=55) < until - clock.now() <= timedelta(seconds=60)
    assert CatalogueVersion.objects.get().number == version + 1
    assert catalog.current().routes[route.pk].is_drilled(clock.now())
    drill.stop(route, ann)
    entries = AuditEntry.objects.order_by("pk").values_list("action", "actor", "target")
    assert list(entries) == [
        ("route.drill", ann.pk, "nanobanana via vendor-2 fast"),
        ("route.drill_stop", ann.pk, "nanobanana via vendor-2 fast"),
    ]


@pytest.mark.once
def test_it_rejects_a_route_that_is_not_in_use(vendor: Vendor, add_route: AddRoute) -> None:
    route, other = add_route(vendor.url), add_route(vendor.url)
    Route.objects.filter(pk=route.pk).update(enabled=False)
    Provider.objects.filter(pk=other.provider_id).update(enabled=False)
    assert (drill.start(route), drill.start(other)) == (None, None)
    assert set(Route.objects.values_list("drill_until", flat=True)) == {None}
    assert not AuditEntry.objects.exists()
