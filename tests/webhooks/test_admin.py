"""What operators see of events and deliveries, and that they cannot change it."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Account
from eggapi import clock
from tests.webhooks.conftest import queue
from webhooks import origins
from webhooks.models import Delivery, DeliveryAttempt, Event


@pytest.fixture
def delivery(account: Account) -> Delivery:
    queue(account, "https://example.com/hook", payload=b'{"event":"task.completed","n":7}')
    one = Delivery.objects.get()
    DeliveryAttempt.objects.create(
        delivery=one, n=1, at=one.event.created_at, status=503, error="", milliseconds=1234, reply="come back later"
    )
    return one


def test_it_works(admin_client: Client, delivery: Delivery) -> None:
    for page, shown in [
        (reverse("admin:webhooks_event_changelist"), [delivery.event_id, str(delivery.event.task_id)]),
        (reverse("admin:webhooks_delivery_changelist"), [str(delivery.event.task_id), "example.com"]),
        (reverse("admin:webhooks_event_change", args=[delivery.event_id]), ["&quot;n&quot;:7", "example.com"]),
        (
            reverse("admin:webhooks_delivery_change", args=[delivery.pk]),
            ["https://example.com/hook", "come back later"],
        ),
    ]:
        response = admin_client.get(page)
        assert response.status_code == 200
        assert [text for text in shown if text not in response.content.decode()] == []


def test_it_shows_receivers_that_only_fail(admin_client: Client, account: Account) -> None:
    origins.note([origins.Result((account.pk, "example.com:443"), "timeout", False, False)], clock.now())
    page = admin_client.get(reverse("admin:webhooks_origin_changelist")).content.decode()
    assert [text for text in ("example.com:443", "timeout") if text not in page] == []


def test_it_finds_by_task(admin_client: Client, account: Account, delivery: Delivery) -> None:
    queue(account, "https://example.com/other")
    for page in ("admin:webhooks_event_changelist", "admin:webhooks_delivery_changelist"):
        found = admin_client.get(reverse(page), {"q": str(delivery.event.task_id)}).context["cl"].queryset
        assert found.count() == 1


def test_it_changes_nothing(admin_client: Client, delivery: Delivery) -> None:
    page = reverse("admin:webhooks_delivery_change", args=[delivery.pk])
    assert admin_client.post(page, {"state": "failed"}).status_code == 403
    page = reverse("admin:webhooks_event_delete", args=[delivery.event_id])
    assert admin_client.post(page, {"post": "yes"}).status_code == 403
    assert (Delivery.objects.get().state, Event.objects.count()) == ("due", 1)


def test_it_requires_an_operator(client: Client, delivery: Delivery) -> None:
    assert client.get(reverse("admin:webhooks_delivery_changelist")).status_code == 302
