"""The operators' first page: red flags, the last hour, and a fixed number of queries."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from eggapi import alerts, clock, switches
from eggapi.alerts import Raised
from generation import audit, drill
from generation.models import Attempt, Breaker, Purchase, Route, Task
from tests.customer import Customer
from tests.generation.conftest import add_route, customer, on_sale  # noqa: F401 - fixtures
from tests.generation.past import PRICE, add_task
from webhooks.models import Delivery, Event

pytestmark = pytest.mark.django_db


def flags(client: Client) -> dict[str, str]:
    return {flag.title: flag.link for flag in client.get("/admin/").context["flags"]}


def bought(task: Task, route: Route, *, done: bool = True, cost: int = 5000, seconds: float = 4) -> None:
    attempt = Attempt.objects.create(
        id=Attempt.id_of(task.pk, 1),
        task=task,
        n=1,
        route=route,
        state="done" if done else "failed",
        outcome="" if done else "route_down",
        started_at=task.created_at,
        ended_at=task.created_at + timedelta(seconds=seconds),
    )
    Purchase.objects.create(
        client_ref=f"egg_{task.pk}", attempt=attempt, index=0, first_image=0, images_asked=1, cost=cost,
        leak=0 if done else cost, sent_at=task.created_at,
    )  # fmt: skip


def test_it_works(admin_client: Client, customer: Customer, add_route: Callable[..., Route]) -> None:  # noqa: F811
    route = add_route("http://vendor.example")
    bought(add_task(customer, "completed"), route)
    bought(add_task(customer, "failed", ended="upstream_unavailable"), route, done=False)
    add_task(customer, "failed", ended="content_rejected")
    add_task(customer, "completed", at=clock.now() - timedelta(hours=2))
    add_task(Customer("bob@example.com"), "completed")  # of play money
    context = admin_client.get("/admin/").context
    hour = context["hour"]
    assert (hour.accepted, hour.completed, hour.failed, hour.success) == (4, 2, 1, "66.6 %")
    assert (hour.spend, hour.cost, hour.margin, hour.p95) == (PRICE, 10_000, PRICE - 10_000, 12)
    strip = next(one for one in context["providers"] if one.attempts)
    assert (strip.name, strip.delivered, strip.success, strip.p50, strip.leak) == ("vendor-2", 1, "50 %", 4, 5000)
    assert sum(sum(numbers) for _, numbers in hour.by_minute) == 4
    assert "66.6 %" in admin_client.get("/admin/").content.decode()


def test_a_fire_drill_counts_for_nothing(
    admin_client: Client,
    customer: Customer,  # noqa: F811
    add_route: Callable[..., Route],  # noqa: F811
) -> None:
    route, drilled = add_route("http://vendor.example"), add_task(customer, "completed")
    bought(add_task(customer, "completed"), route)
    bought(drilled, route, done=False, cost=0)
    Attempt.objects.filter(task=drilled).update(outcome="retryable", message=drill.MESSAGE)
    strip = next(one for one in admin_client.get("/admin/").context["providers"] if one.attempts)
    assert (strip.attempts, strip.failed, strip.success) == (1, 0, "100 %")


def test_when_all_is_well_it_says_so(admin_client: Client) -> None:
    assert flags(admin_client) == {}
    assert "No alert is open" in admin_client.get("/admin/").content.decode()


def test_every_flag_leads_somewhere(
    admin_client: Client,
    customer: Customer,  # noqa: F811
    add_route: Callable[..., Route],  # noqa: F811
) -> None:
    route, now = add_route("http://vendor.example"), clock.now()
    alerts.report([Raised("storage", "away"), Raised(audit.ALERT, "The ledger drifts")])
    add_task(customer, deadline_at=now - timedelta(minutes=2), next_run_at=now - timedelta(minutes=2))
    Breaker.objects.create(
        provider=route.provider, upstream_model="fast", reason="401", opened_at=now, open_until=now, seconds=15
    )
    switches.pause("submits", "upgrade", "ops@example.com")
    losing = audit.RouteMargin("nanobanana via kie", "kie", 5, 10, 0)
    cache.set(audit.KEPT, audit.Found(now, 1.0, [], "", [losing]))
    event = Event.objects.create(
        id="msg_1", account=customer.account, mode="live", type="task.completed", created_at=now
    )
    Delivery.objects.create(
        event=event, account=customer.account, mode="live", created_at=now, url="https://example.com/",
        host="example.com:443", next_run_at=now - timedelta(minutes=5),
    )  # fmt: skip
    found = flags(admin_client)
    assert list(found) == [
        "The ledger drifts", "1 open alert", "1 stuck task", "Workers are behind", "1 route down", "1 route at a loss",
        "Webhooks are behind", "Switched off",
    ]  # fmt: skip
    assert [link for link in found.values() if admin_client.get(link).status_code != 200] == []


def test_it_takes_as_many_queries_for_many_rows_as_for_few(
    admin_client: Client,
    customer: Customer,  # noqa: F811
    add_route: Callable[..., Route],  # noqa: F811
) -> None:
    counts = []
    for number in (1, 5):
        route = add_route("http://vendor.example")
        for _ in range(number):
            bought(add_task(customer, "completed"), route)
        with CaptureQueriesContext(connection) as queries:
            assert admin_client.get("/admin/").status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1] < 35


def test_who_may_not_see_tasks_sees_no_figures(client: Client, settings: object) -> None:
    settings.EGGAPI_EMBEDDED = True  # type: ignore[attr-defined]
    client.force_login(User.objects.create_user("clerk@example.com", is_staff=True))
    answer = client.get(reverse("admin:index"))
    assert (answer.status_code, "hour" in answer.context) == (200, False)
