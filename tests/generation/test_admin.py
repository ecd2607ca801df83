"""What operators see of providers and tasks, and what cannot be changed there."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.admin.utils import quote
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from eggapi import clock
from generation.models import Attempt, Breaker, Provider, Purchase, Route, Task
from tests.customer import Customer
from tests.generation.past import SECRETS, add_task

pytestmark = pytest.mark.django_db

REF = f"egg_{'a' * 28}"


@pytest.fixture
def task(add_route: Callable[..., Route], customer: Customer) -> Task:
    route = add_route("http://vendor.example")
    Route.objects.filter(pk=route.pk).update(cost_4k=24_000)
    now = clock.now()
    task = add_task(customer, "processing")
    attempt = Attempt.objects.create(
        id=Attempt.id_of(task.id, 1), task=task, n=1, route=route, message="it is late", started_at=now
    )
    Purchase.objects.create(
        client_ref=REF, attempt=attempt, index=0, first_image=0, images_asked=1, hint="job7", cost=5000, sent_at=now
    )
    Breaker.objects.create(
        provider=route.provider,
        upstream_model="fast",
        reason="401 no such key",
        opened_at=now,
        open_until=now + timedelta(seconds=15),
        seconds=15,
    )
    return task


@pytest.mark.parametrize(
    ("model", "one", "listed", "shown"),
    [
        (Provider, {"adapter": "vendor"}, ["vendor-2", "closed"], ["vendor-2", "http://vendor.example"]),
        (Route, {"provider__adapter": "vendor"}, ["Route 2", "$0.0050", "$0.0240"], ["Require margin"]),
        (Breaker, {}, ["vendor-2", "401 no such key"], ["401 no such key"]),
        (Task, {}, ["alice@example.com", "Processing"], ["it is late", "nanobanana via vendor-2"]),
        (Purchase, {}, [REF, "nanobanana via vendor-2", "$0.0050"], ["job7"]),
    ],
)
def test_it_works(
    admin_client: Client, task: Task, model: type[Model], one: dict[str, str], listed: list[str], shown: list[str]
) -> None:
    name = f"admin:generation_{model.__name__.lower()}"
    row = model._default_manager.get(**one)
    for page, texts in [(f"{name}_changelist", listed), (f"{name}_change", shown)]:
        answer = admin_client.get(reverse(page, args=[quote(row.pk)] if page.endswith("change") else []))
        assert answer.status_code == 200
        assert [text for text in texts if text not in answer.content.decode()] == []


def test_it_finds_by_task(admin_client: Client, customer: Customer, task: Task) -> None:
    add_task(customer)
    for model in ("task", "purchase"):
        page = reverse(f"admin:generation_{model}_changelist")
        assert admin_client.get(page, {"q": task.pk}).context["cl"].queryset.count() == 1
        assert admin_client.get(page, {"q": "gen_"}).context["cl"].queryset.count() == 0


def test_it_shows_nothing_a_customer_wrote(admin_client: Client, task: Task) -> None:
    page = admin_client.get(reverse("admin:generation_task_change", args=[quote(task.pk)])).content.decode()
    written = [SECRETS["prompt"], SECRETS["negative_prompt"], SECRETS["webhook_url"], *SECRETS["image_urls"]]
    assert [text for text in written if str(text) in page] == []


def test_it_changes_nothing(admin_client: Client, task: Task) -> None:
    """Routes are edited by their chain, and a provider cannot be deleted."""
    route = Route.objects.get(provider__adapter="vendor")
    page = reverse("admin:generation_route_change", args=[route.pk])
    assert admin_client.post(page, {"cost": "0"}).status_code == 403
    assert admin_client.get(reverse("admin:generation_route_add")).status_code == 403
    for name, row in [("provider", route.provider), ("task", task)]:
        page = reverse(f"admin:generation_{name}_delete", args=[quote(row.pk)])
        assert admin_client.post(page, {"post": "yes"}).status_code == 403
    assert (Route.objects.get(pk=route.pk).cost, Task.objects.count()) == (5000, 1)
    assert Provider.objects.filter(pk=route.provider_id).exists()


def test_it_requires_an_operator(client: Client, task: Task) -> None:
    assert client.get(reverse("admin:generation_provider_changelist")).status_code == 302
