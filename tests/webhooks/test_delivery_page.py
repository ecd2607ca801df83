"""/webhooks/{event}: one delivery, what was sent and answered, and sending it again."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import escape
from pytest_django import Settings

from accounts.models import Account
from accounts.opening import account_of
from eggapi import clock
from tests.webhooks.desk import EVIL, HOOK, PAYLOAD, deliver, page, renewal_of, signed_in
from webhooks import secrets, signing
from webhooks.models import Delivery, DeliveryAttempt, Event

pytestmark = [pytest.mark.django_db, pytest.mark.once]
HTMX = {"HX-Request": "true"}


@pytest.fixture
def alice(db: None) -> Account:
    return account_of("alice@example.com")


@pytest.fixture
def client(alice: Account) -> Client:
    return signed_in(alice.members.get())


def test_it_works(client: Client, alice: Account) -> None:
    one = deliver(alice)
    attempt, secret = one.log.get(), alice.webhook_secrets.get().plain
    text = page(client, f"/{one.event_id}")
    for name, value in signing.headers(one.event_id, PAYLOAD, int(attempt.at.timestamp()), [secret]).items():
        assert f'<dt class="mono">{name}</dt><dd class="mono">{escape(value)}</dd>' in text
    assert secret.removeprefix("whsec_") not in text
    assert [said for said in ("HTTP 200", "71 ms", "1 of 10", HOOK, f"{len(PAYLOAD)} bytes") if said not in text] == []


def test_what_strangers_wrote_is_text(client: Client, alice: Account) -> None:
    one = deliver(alice, url=f"{HOOK}?q=<i>")
    text = page(client, f"/{one.event_id}")
    assert [evil for evil in (EVIL, "<b>1234", "<i>") if evil in text] == []
    assert escape(EVIL) in text
    assert "&lt;b&gt;1234&lt;/b&gt;" in text


def test_signatures_are_of_the_secrets_of_that_time(client: Client, alice: Account) -> None:
    one = deliver(alice)
    old = alice.webhook_secrets.get().plain
    DeliveryAttempt.objects.update(at=clock.now())
    secrets.rotate(alice, "24h")
    at = int(one.log.get().at.timestamp())
    own = signing.headers(one.event_id, PAYLOAD, at, [old])["X-EggAPI-Signature"]
    assert own in page(client, f"/{one.event_id}")
    alice.webhook_secrets.filter(expires_at__isnull=False).delete()
    text = page(client, f"/{one.event_id}")
    assert (own in text, "is not kept any more" in text) == (False, True)


def test_what_is_forgotten_is_said(client: Client, alice: Account) -> None:
    one = deliver(alice)
    Event.objects.update(payload=b"", emptied_at=clock.now())
    text = page(client, f"/{one.event_id}")
    assert ("bodies go after 90 days" in text, "/resend" in text) == (True, False)
    assert "is not kept any more" in client.post(f"/webhooks/{one.event_id}/resend", follow=True).content.decode()


def test_it_is_resent(client: Client, alice: Account) -> None:
    one = deliver(alice)
    text = client.post(f"/webhooks/{one.event_id}/resend", follow=True).content.decode()
    one.refresh_from_db()
    assert ("One attempt more is due now." in text, one.state, one.granted, one.by_hand) == (True, "due", 2, True)
    address = renewal_of(text)
    assert address.startswith(f"/webhooks/{one.event_id}?seen=")
    assert client.get(address, headers={"HX-Request": "true"}).status_code == 204
    DeliveryAttempt.objects.create(delivery=one, n=2, at=clock.now(), milliseconds=1)
    assert 'id="attempt-2"' in client.get(address, headers={"HX-Request": "true"}).content.decode()
    partial = page(client, f"/{one.event_id}", **HTMX)
    assert ('id="attempts"' in partial, "<html" in partial) == (True, False)
    assert "on its way already" in client.post(f"/webhooks/{one.event_id}/resend", follow=True).content.decode()


@pytest.mark.parametrize("event_id", ["msg_x", "msg_" + "0" * 24, "%00", "test%0a"])
def test_there_may_be_none(client: Client, alice: Account, event_id: str) -> None:
    deliver(alice)
    assert client.get(f"/webhooks/{event_id}").status_code == 404
    assert client.post(f"/webhooks/{event_id}/resend").status_code == 404


def test_an_address_that_must_be_admitted_says_how(client: Client, alice: Account, settings: Settings) -> None:
    one = deliver(alice, "failed", "https://hooks.corp.example:8443/", None)
    assert "PRIVATE_HOSTS" not in page(client, f"/{one.event_id}")
    Delivery.objects.update(last_error="address not allowed")
    assert "EGGAPI_PRIVATE_HOSTS_ALLOWED=hooks.corp.example:8443" in page(client, f"/{one.event_id}")


def test_its_queries_do_not_grow(client: Client, alice: Account, django_assert_num_queries: Any) -> None:
    one = deliver(alice)
    page(client, f"/{one.event_id}")
    with CaptureQueriesContext(connection) as few:
        page(client, f"/{one.event_id}")
    DeliveryAttempt.objects.bulk_create(
        DeliveryAttempt(delivery=one, n=n, at=clock.now(), milliseconds=1) for n in range(2, 52)
    )
    with django_assert_num_queries(len(few)):
        assert page(client, f"/{one.event_id}").count('<details class="card attempt"') == 51
