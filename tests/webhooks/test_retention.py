"""What is forgotten of webhooks, and when."""

from datetime import timedelta

import pytest

from accounts.models import Account
from eggapi import clock
from tests.webhooks.conftest import pass_time, queue
from tests.webhooks.rules import assert_sound
from webhooks import retention, secrets
from webhooks.models import Delivery, DeliveryAttempt, Event, Secret
from webhooks.tasks import purge

HOOK = "https://example.com/hook"
DAY = timedelta(days=1)


def delivered(account: Account, number: int = 1) -> None:
    queue(account, HOOK, number, payload=b'{"n":1}')
    for one in Delivery.objects.filter(attempts=0):
        DeliveryAttempt.objects.create(delivery=one, n=1, at=one.created_at, status=200, milliseconds=1)
        Delivery.objects.filter(pk=one.pk).update(attempts=1, delivered_at=one.created_at)
        Delivery.objects.filter(pk=one.pk).end("delivered", "")


def test_it_works(account: Account) -> None:
    delivered(account)
    pass_time(29 * DAY)
    delivered(account)
    assert retention.purge(clock.now()) == (0, 0, 0)
    pass_time(2 * DAY)
    assert retention.purge(clock.now()) == (1, 0, 0)
    pass_time(60 * DAY)
    assert retention.purge(clock.now()) == (1, 1, 0)
    assert retention.purge(clock.now()) == (0, 0, 0)
    older, newer = Event.objects.order_by("created_at")
    assert (bytes(older.payload), older.emptied_at is None) == (b"", False)
    assert (bytes(newer.payload), newer.emptied_at is None) == (b'{"n":1}', True)
    assert Delivery.objects.filter(state="delivered").count() == 2


def test_it_goes_on_until_all_is_done(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    delivered(account, 7)
    queue(account, "", 4)
    pass_time(91 * DAY)
    assert retention.purge(clock.now()) == (7, 11, 0)


def test_what_still_waits_is_stopped(account: Account) -> None:
    queue(account, HOOK)
    pass_time(91 * DAY)
    purge.apply(throw=True)
    one = Delivery.objects.get()
    assert (one.state, one.last_error, bytes(one.event.payload)) == ("stopped", "too old", b"")
    assert_sound()


def test_an_expired_secret_is_deleted(account: Account) -> None:
    secrets.rotate(account, "24h")
    assert retention.purge(clock.now()).secrets == 0
    pass_time(DAY)
    assert retention.purge(clock.now()).secrets == 1
    assert Secret.objects.get().expires_at is None
