"""Tasks that are stuck: found, and poked, moved on or ended without anything being paid twice."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.db.models import F
from django.test import Client
from django.urls import reverse

from accounts.caller import Caller
from accounts.models import AuditEntry, User
from eggapi import clock
from eggapi.loop import Loop
from eggapi.models import Alert
from generation import breaker, save, stuck
from generation.engine import TaskWork
from generation.models import Attempt, Breaker, Purchase, Route, Task
from generation.save import Progress
from generation.submit import submit
from tests.customer import Customer
from tests.emulators.vendor import Vendor
from tests.generation.conftest import assert_free, ended
from tests.generation.past import SECRETS, add_task

pytestmark = pytest.mark.django_db

LIST = "/admin/generation/task/"


def found(office: Client) -> set[str]:
    return set(office.get(LIST, {"stuck": "yes"}).context["cl"].queryset.values_list("pk", flat=True))


def test_it_finds_what_is_stuck(office: Client, customer: Customer) -> None:
    now = clock.now()
    for _ in range(20):
        add_task(customer, "completed")  # in 12 seconds each
    slow = add_task(customer, "processing", at=now - timedelta(seconds=37))
    lapsed = add_task(customer, at=now, lease_until=now - timedelta(seconds=1))
    suspect = add_task(customer, at=now, claims_without_progress=2)
    add_task(customer, "processing", at=now - timedelta(seconds=30))
    add_task(customer, at=now, lease_until=now + timedelta(seconds=60))
    add_task(customer, "failed", at=now - timedelta(hours=1))
    assert found(office) == {slow.pk, lapsed.pk, suspect.pk}


# -- with a vendor that has taken the job ------------------------------------------------------------


@pytest.fixture
def hung(alice: Caller, vendor: Vendor, add_route: Callable[..., Route]) -> Task:
    """A task whose vendor has accepted and does not come to an end; nobody works on it just now."""
    breaker.reset()
    add_route(vendor.url)
    task, _ = submit(alice, {"model": "nanobanana", "prompt": "vendor:stuck"})
    loop: Loop[Any] = Loop(TaskWork())
    loop.start()
    waited = Purchase.objects.filter(attempt__task=task, state="accepted", polls__gte=1)
    until = time.monotonic() + 10
    while not waited.exists():
        assert time.monotonic() < until
        time.sleep(0.02)
    loop.stop(5)
    task.refresh_from_db()
    Task.objects.filter(pk=task.pk).update(next_run_at=clock.now() + timedelta(seconds=60))
    return task


def act(office: Client, task: Task, verb: str) -> None:
    assert office.post(LIST, {"action": verb, "_selected_action": [task.pk]}).status_code == 302


@pytest.mark.django_db(transaction=True)
def test_it_is_polled_now(office: Client, hung: Task) -> None:
    act(office, hung, "poll_now")
    hung.refresh_from_db()
    assert hung.next_run_at
    assert hung.next_run_at <= clock.now()
    act(office, hung, "poll_now")
    assert AuditEntry.objects.filter(action="task.poll").count() == 1


@pytest.mark.django_db(transaction=True)
def test_it_is_failed_and_the_money_given_back(office: Client, hung: Task, alice: Caller, boss: User) -> None:
    for _ in range(2):
        act(office, hung, "fail")
    assert_free(alice, hung)
    assert (hung.ended, hung.error) == ("canceled", "Stopped by the operator: nothing was charged.")
    purchase = Purchase.objects.get()
    assert (purchase.cost, purchase.leak) == (5000, 5000)
    assert list(AuditEntry.objects.values_list("action", "actor", "target")) == [("task.fail", boss.pk, hung.pk)]


@pytest.mark.django_db(transaction=True)
def test_it_moves_on_to_the_next_route(
    office: Client, hung: Task, vendor: Vendor, add_route: Callable[..., Route]
) -> None:
    with Vendor() as other:
        other.overrides = {"fault": "ok"}
        add_route(other.url)
        act(office, hung, "move_on")
        loop: Loop[Any] = Loop(TaskWork())
        loop.start()
        task = ended(hung)
        loop.stop(5)
    assert (task.status, task.cost) == ("completed", 10_000)
    left, taken = Attempt.objects.order_by("n")
    assert (left.state, left.outcome, left.message) == ("failed", "retryable", stuck.MOVED_ON)
    assert taken.state == "done"
    spent = Purchase.objects.order_by("attempt__n").values_list("state", "cost", "leak")
    assert list(spent) == [("failed", 5000, 5000), ("done", 5000, 0)]
    assert (vendor.billed.total(), other.billed.total()) == (1, 1)
    assert (Breaker.objects.count(), Alert.objects.count()) == (0, 0)


def attempted(customer: Customer, route: Route, **fields: Any) -> tuple[Task, Purchase]:
    task, now = add_task(customer, "processing", at=clock.now(), **fields), clock.now()
    attempt = Attempt.objects.create(id=Attempt.id_of(task.id, 1), task=task, n=1, route=route, started_at=now)
    purchase = Purchase.objects.create(
        client_ref=f"egg_{task.id[4:]}", attempt=attempt, index=0, first_image=0, images_asked=1, cost=5000, sent_at=now
    )
    return task, purchase


def test_it_does_not_move_what_is_being_worked_on(
    customer: Customer, add_route: Callable[..., Route], boss: User
) -> None:
    route, soon = add_route("http://127.0.0.1:9"), clock.now() + timedelta(seconds=50)
    task, purchase = attempted(customer, route, lease_until=soon, lease_token=4)
    assert not stuck.move_on(task, boss)
    task.refresh_from_db()
    purchase.refresh_from_db()
    assert (task.lease_token, purchase.state) == (4, "submitting")


def test_it_does_not_move_what_has_pictures_or_no_attempt(
    customer: Customer, add_route: Callable[..., Route], boss: User
) -> None:
    task, purchase = attempted(customer, add_route("http://127.0.0.1:9"))
    Purchase.objects.filter(pk=purchase.pk).update(images=[{"index": 0}])
    for each in (task, add_task(customer), add_task(customer, "completed")):
        assert not stuck.move_on(each, boss)
        token = each.lease_token
        each.refresh_from_db()
        assert each.lease_token in (token, 0)
        assert each.lease_until is None
    assert Attempt.objects.get().state == "live"
    assert not AuditEntry.objects.exists()


def test_a_worker_that_wakes_up_late_changes_nothing(
    customer: Customer, add_route: Callable[..., Route], boss: User
) -> None:
    task, purchase = attempted(customer, add_route("http://127.0.0.1:9"), lease_token=4)
    stale = Task.objects.get(pk=task.pk)
    assert stuck.move_on(task, boss)
    purchase.refresh_from_db()
    assert (purchase.state, purchase.outcome, purchase.is_open) == ("unknown", "unknown", False)
    assert save.pause([Progress(stale, [purchase], seconds=9)]) == [False]
    stale.refresh_from_db()
    assert (stale.lease_token, stale.lease_until) == (5, None)


# -- the page of a task ------------------------------------------------------------------------------


def test_the_page_tells_what_happened(office: Client, customer: Customer, add_route: Callable[..., Route]) -> None:
    task, purchase = attempted(customer, add_route("http://127.0.0.1:9"))
    text = "<script>alert(1)</script>"
    Purchase.objects.filter(pk=purchase.pk).update(message=text, upstream_id="job-7", leak=F("cost"))
    page = office.get(reverse("admin:generation_task_change", args=[quote(task.pk)])).content.decode()
    for shown in ("Attempt 1, Route 2", purchase.pk, "upstream id job-7", "$0.0050", "&lt;script&gt;alert(1)"):
        assert shown in page
    assert [secret for secret in (text, SECRETS["prompt"], SECRETS["negative_prompt"]) if str(secret) in page] == []


@pytest.mark.once
def test_the_page_takes_as_many_queries_for_many_attempts(
    office: Client, customer: Customer, add_route: Callable[..., Route], django_assert_max_num_queries: Any
) -> None:
    task, purchase = attempted(customer, add_route("http://127.0.0.1:9"))
    for n in range(2, 9):
        route = add_route("http://127.0.0.1:9")
        Attempt.objects.create(
            id=Attempt.id_of(task.id, n), task=task, n=n, route=route, state="failed", started_at=task.created_at
        )
    with django_assert_max_num_queries(20):
        office.get(reverse("admin:generation_task_change", args=[quote(task.pk)]))


def test_a_stranger_cannot_act(customer: Customer, settings: Any) -> None:
    settings.EGGAPI_EMBEDDED = True
    task = add_task(customer, at=clock.now(), claims_without_progress=3)
    stranger, staff = Client(), Client()
    stranger.force_login(customer.account.members.get())
    staff.force_login(User.objects.create_user(email="staff@example.com", password="a long password", is_staff=True))
    for person, status in [(stranger, 302), (staff, 403)]:
        assert person.get(LIST).status_code == status
        sent = {"action": "fail", "_selected_action": [task.pk]}
        assert person.post(LIST, sent).status_code == status
    task.refresh_from_db()
    assert task.status == "pending"
    assert not AuditEntry.objects.exists()
