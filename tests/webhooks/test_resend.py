"""Sending again: one delivery, everything that failed since, everything that never arrived, and tests."""

import json
from datetime import datetime, timedelta

import pytest
from django.db import transaction
from standardwebhooks import Webhook

from accounts.models import Account
from accounts.opening import account_of
from eggapi import clock
from eggapi.addresses import BadUrl
from tests.webhooks.conftest import Receive, after_attempt, due_now, pass_time, post, queue, until
from tests.webhooks.receiver import HANG, Say
from tests.webhooks.rules import assert_alike, assert_sound
from webhooks import delivery, secrets
from webhooks.models import Delivery, Event
from webhooks.resend import recover, replay, resend, send_test

SOME_URL = "https://example.com/hook"
LONG_AGO = timedelta(days=89)


def put(account: Account, state: str, ago: timedelta = timedelta(), attempts: int = 10) -> Delivery:
    """A delivery with this past."""
    queue(account, SOME_URL)
    one: Delivery = Delivery.objects.latest("pk")
    then = clock.now() - ago
    Delivery.objects.filter(pk=one.pk).update(
        state=state,
        attempts=attempts,
        created_at=then,
        next_run_at=then if state == "due" else None,
        delivered_at=then if state == "delivered" else None,
    )
    return one


def is_due(one: Delivery) -> bool:
    one.refresh_from_db()
    return one.state == "due"


@pytest.mark.usefixtures("courier")
class TestOne:
    def test_it_works(self, account: Account, receive: Receive) -> None:
        receiver = receive()
        secret = secrets.rotate(account)
        one = after_attempt(post(account, receiver.url, b'{"event":"task.completed"}'), 1)
        first_time = one.delivered_at
        assert resend(one)
        delivery.wake()
        after_attempt(one, 2)
        assert (one.state, one.attempts, one.granted, one.delivered_at) == ("delivered", 2, 2, first_time)
        assert [attempt.by_hand for attempt in one.log.order_by("n")] == [False, True]
        for request in receiver.received:
            assert request.headers["webhook-id"] == one.event_id
            Webhook(secret).verify(request.body.decode(), dict(request.headers.items()))
        assert_alike(receiver)
        assert_sound()

    def test_what_was_delivered_stays_delivered(self, account: Account, receive: Receive) -> None:
        one = after_attempt(post(account, receive(Say(200), Say(410), Say(500)).url), 1)
        for n in (2, 3):
            assert resend(one)
            delivery.wake()
            after_attempt(one, n)
            assert (one.state, one.next_run_at, one.last_error) == ("delivered", None, ["HTTP 410", "HTTP 500"][n - 2])
        assert_sound()

    def test_one_that_failed_gets_one_attempt(self, account: Account, receive: Receive) -> None:
        with transaction.atomic():  # the courier at work beside this test sees it with its one attempt or not at all
            queue(account, receive(Say(500)).url)
            Delivery.objects.update(granted=1)
        one = Delivery.objects.get()
        delivery.wake()
        after_attempt(one, 1)
        assert one.state == "failed"
        assert resend(one)
        delivery.wake()
        after_attempt(one, 2)
        assert (one.state, one.attempts, one.granted) == ("failed", 2, 2)
        assert_sound()

    def test_one_that_waits_goes_at_once_and_loses_no_attempt(self, account: Account, receive: Receive) -> None:
        receiver = receive(Say(500))
        one = after_attempt(post(account, receiver.url), 1)
        due_now(one)
        after_attempt(one, 2)
        assert resend(one)
        delivery.wake()
        after_attempt(one, 3)
        assert (one.state, one.granted) == ("due", 11)
        assert timedelta(minutes=4) < due_now(one) < timedelta(minutes=6)
        for n in range(4, 11):
            due_now(after_attempt(one, n))
        after_attempt(one, 11)
        assert (one.state, len(receiver.received)) == ("failed", 11)
        assert_sound()

    def test_one_under_way_is_left_alone(self, account: Account, receive: Receive) -> None:
        receiver = receive(HANG)
        one = post(account, receiver.url)
        until(lambda: len(receiver.received) == 1)
        assert not resend(one)
        receiver.let_go()
        after_attempt(one, 1)
        assert (one.state, one.granted) == ("delivered", 10)


def test_asking_twice_is_asking_once(account: Account) -> None:
    one = put(account, "failed")
    assert [resend(one), resend(one)] == [True, False]
    one.refresh_from_db()
    assert (one.state, one.granted) == ("due", 11)


def test_what_is_forgotten_cannot_be_sent(account: Account) -> None:
    one = put(account, "failed")
    Event.objects.update(payload=b"", emptied_at=clock.now())
    assert not resend(one)
    assert replay(account.pk, "test") == recover(account.pk, "test", clock.now() - LONG_AGO) == 0


class TestMany:
    @pytest.fixture
    def since(self, account: Account) -> datetime:
        return clock.now() - timedelta(hours=6)

    def test_recovering_is_for_what_failed_since(self, account: Account, since: datetime) -> None:
        again = [put(account, "failed"), put(account, "disabled", timedelta(hours=5), attempts=3)]
        others = [put(account, "failed", timedelta(hours=7)), put(account, "stopped"), put(account, "delivered")]
        waiting = put(account, "due", attempts=2)
        assert recover(account.pk, "test", since) == 2
        assert [is_due(one) for one in again] == [True, True]
        assert [one.granted for one in again] == [20, 13]
        assert not any(is_due(one) for one in others)
        waiting.refresh_from_db()
        assert waiting.granted == 10
        assert recover(account.pk, "test", since) == 0

    def test_replaying_is_for_what_never_arrived(self, account: Account) -> None:
        again = [put(account, state, LONG_AGO) for state in ("failed", "stopped", "disabled")]
        others = [put(account, "delivered"), put(account, "due")]
        assert replay(account.pk, "test") == 3
        assert all(is_due(one) for one in again)
        assert [one.granted for one in others] == [10, 10]
        assert replay(account.pk, "test") == 0

    def test_other_accounts_and_modes_are_let_be(self, account: Account, since: datetime) -> None:
        theirs, live = put(account_of("bob@example.com"), "failed"), put(account, "failed")
        Delivery.objects.filter(pk=live.pk).update(mode="live")
        assert recover(account.pk, "test", since) == replay(account.pk, "test") == 0
        assert not is_due(theirs)
        assert not is_due(live)

    def test_one_call_takes_so_many_and_the_oldest_first(
        self, account: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("webhooks.resend.MOST_AT_ONCE", 2)
        newest, oldest, middle = (put(account, "failed", timedelta(hours=h)) for h in (1, 3, 2))
        assert replay(account.pk, "test") == 2
        assert [is_due(one) for one in (newest, middle, oldest)] == [False, True, True]
        assert replay(account.pk, "test") == 1

    def test_it_arrives(self, account: Account, receive: Receive, courier: None) -> None:
        receiver = receive(Say(500))
        with transaction.atomic():
            queue(account, receiver.url, 20, payload=b'{"n":1}')
            Delivery.objects.update(granted=1)
        delivery.wake()
        until(lambda: Delivery.objects.filter(state="failed").count() == 20)
        receiver.say(Say(503), Say(200))
        assert recover(account.pk, "test", clock.now() - timedelta(minutes=1)) == 20
        delivery.wake()
        until(lambda: Delivery.objects.filter(state="delivered").count() == 19)
        pass_time(timedelta(seconds=6))
        until(lambda: Delivery.objects.filter(state="delivered").count() == 20)
        assert len(receiver.received) == 41
        assert_alike(receiver)
        assert_sound()


class TestTest:
    def test_it_works(self, account: Account, receive: Receive, courier: None) -> None:
        secret = secrets.rotate(account)
        receiver = receive()
        one = after_attempt(send_test(account.pk, "test", receiver.url), 1)
        (request,) = receiver.received
        told = Webhook(secret).verify(request.body.decode(), dict(request.headers.items()))
        assert (told["event"], told["task_id"], told["cost"]) == ("webhook.test", None, "0.000000")
        assert list(told) == ["event", "task_id", "status", "model", "output", "error", "cost", "timestamp", "data"]
        assert (one.state, one.attempts, one.event.seq, one.event.task_id) == ("delivered", 1, None, None)
        assert one.log.get().by_hand
        assert_sound()

    def test_it_is_one_attempt(self, account: Account, receive: Receive, courier: None) -> None:
        one = after_attempt(send_test(account.pk, "test", receive(Say(500)).url), 1)
        assert (one.state, one.next_run_at) == ("failed", None)
        assert replay(account.pk, "test") == 0

    def test_there_may_be_many(self, account: Account) -> None:
        for _ in range(3):
            send_test(account.pk, "test", SOME_URL)
        assert Event.objects.filter(type="webhook.test").count() == 3
        assert json.loads(bytes(Event.objects.earliest("created_at").payload))["data"]["attempts"] == 0

    @pytest.mark.parametrize("url", ["http://example.com/", "https://127.0.0.1/", "https://example.com:22/", "x"])
    def test_it_rejects_what_is_refused_at_submit(self, account: Account, url: str) -> None:
        with pytest.raises(BadUrl):
            send_test(account.pk, "test", url)
        assert not Event.objects.exists()
