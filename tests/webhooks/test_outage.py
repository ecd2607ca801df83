"""A receiver that is away for an hour misses nothing."""

from datetime import timedelta

import pytest

from accounts.models import Account
from eggapi import clock
from tests.webhooks.conftest import Receive, pass_time, queue, until
from tests.webhooks.receiver import HANG, Receiver, Say
from tests.webhooks.rules import assert_alike, assert_sound
from webhooks import delivery
from webhooks.models import Delivery, DeliveryAttempt, Event

pytestmark = pytest.mark.usefixtures("courier")
MINUTE = timedelta(minutes=1)


def settle_down() -> None:
    """Until all that is due has been attempted."""
    delivery.wake()
    until(lambda: not Delivery.objects.filter(next_run_at__lte=clock.now()).exists(), seconds=30)


def dead_for_an_hour(account: Account, receiver: Receiver) -> None:
    for minute in range(60):
        if minute % 6 == 0:
            queue(account, receiver.url, 3, payload=b'{"minute":%d}' % minute)
        settle_down()
        pass_time(MINUTE)


def test_it_works(account: Account, receive: Receive) -> None:
    receiver = receive(Say(503))
    dead_for_an_hour(account, receiver)
    assert not Delivery.objects.exclude(state="due").exists()
    missed = len(receiver.received)
    receiver.say(Say(200))
    while Delivery.objects.filter(state="due").exists():
        pass_time(10 * MINUTE)
        settle_down()
    assert Delivery.objects.filter(state="delivered").count() == 30
    arrived = receiver.received[missed:]
    assert {(r.headers["webhook-id"], r.body) for r in arrived} == {
        (e.pk, bytes(e.payload)) for e in Event.objects.all()
    }
    assert len(arrived) == 30
    assert_alike(receiver)
    assert_sound()


@pytest.mark.once
def test_a_receiver_that_never_answers_gets_ten_attempts_and_holds_up_nobody(
    account: Account, receive: Receive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "TOTAL_SECONDS", 1.5)
    silent, quick = receive(HANG), receive()
    queue(account, silent.url)
    for attempt in range(10):
        queue(account, quick.url)
        settle_down()
        until(lambda n=attempt: DeliveryAttempt.objects.count() == 2 * n + 2)  # type: ignore[misc]
        pass_time(timedelta(hours=27))
    assert Delivery.objects.get(state="failed").last_error == "timeout"
    assert Delivery.objects.filter(state="delivered").count() == 10
    assert DeliveryAttempt.objects.filter(error="timeout").count() == 10
    assert_sound()
