"""The webhook pages as somebody signed in sees them, and deliveries and failures to see there."""

import re
from datetime import timedelta
from html import unescape

from django.test import Client

from accounts.models import Account, Membership, User
from eggapi import clock
from tests.webhooks.conftest import queue
from webhooks.models import Delivery, DeliveryAttempt, Origin

HOOK = "https://example.com/hook"
HOST = "example.com:443"
EVIL = "<script>alert(1)</script>"
PAYLOAD = b'{"event":"task.completed","data":{"metadata":{"order":"<b>1234</b>"}}}'
ROLES = Membership.Role


def signed_in(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def page(client: Client, path: str = "", **headers: str) -> str:
    response = client.get(f"/webhooks{path}", headers=headers)
    assert response.status_code == 200
    return response.content.decode()


def renewal_of(text: str) -> str:
    """Where a part of the page asks for itself again."""
    (address,) = re.findall(r'hx-get="([^"]+)"', text)
    return unescape(address)


def deliver(account: Account, state: str = "delivered", url: str = HOOK, status: int | None = 200) -> Delivery:
    """One that was attempted once."""
    queue(account, url, payload=PAYLOAD)
    one: Delivery = Delivery.objects.latest("pk")
    now = clock.now()
    DeliveryAttempt.objects.create(
        delivery=one, n=1, at=now, status=status, error="" if status else "timeout", milliseconds=71, reply=EVIL
    )
    Delivery.objects.filter(pk=one.pk).update(
        state=state,
        attempts=1,
        next_run_at=now if state == "due" else None,
        delivered_at=now if state == "delivered" else None,
        last_status=status,
        last_error="" if state == "delivered" else "HTTP 503" if status else "timeout",
    )
    return Delivery.objects.get(pk=one.pk)


def fail(account: Account, host: str = HOST, disabled: bool = True) -> None:
    now = clock.now()
    Origin.objects.create(
        account=account, host=host, failures=12, first_failure_at=now - timedelta(days=6), last_failure_at=now,
        last_error="timeout", disabled_at=now if disabled else None,
    )  # fmt: skip


def listed(text: str) -> list[str]:
    """The events in the list, as it shows them."""
    return re.findall(r'id="to-(msg_[a-z0-9]{24})"', text)
