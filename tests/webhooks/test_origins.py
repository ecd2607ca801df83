"""Receivers that only fail, and accounts that are closed."""

from datetime import timedelta

import pytest

from accounts.models import Account, AuditEntry, Membership, User
from accounts.opening import account_of
from eggapi import clock
from eggapi.models import Letter
from tests.webhooks.conftest import Receive, after_attempt, due_now, pass_time, post, queue, until
from tests.webhooks.receiver import Receiver, Say
from tests.webhooks.rules import assert_sound
from webhooks import delivery, origins
from webhooks.events import host_of
from webhooks.models import Delivery, Origin
from webhooks.resend import recover, replay, resend, send_test

HOUR = timedelta(hours=1)


@pytest.fixture
def dead(receive: Receive) -> Receiver:
    return receive(Say(503))


def fail(account: Account, receiver: Receiver, times: int, every: timedelta) -> None:
    """So many failures with so much time between them, all of it first attempts."""
    for n in range(times):
        if n:
            Delivery.objects.filter(state="due").end("failed", "HTTP 503")
            pass_time(every)
        after_attempt(post(account, receiver.url), 1)


@pytest.mark.usefixtures("courier")
class TestDisabled:
    def test_it_works(self, account: Account, dead: Receiver) -> None:
        fail(account, dead, 10, timedelta(hours=14))
        origin = Origin.objects.get()
        assert (origin.host, origin.failures, origin.last_error) == (dead.host, 10, "HTTP 503")
        assert origin.disabled_at
        letter = Letter.objects.get()
        assert (letter.to, letter.subject) == ("alice@example.com", f"Webhooks to {dead.host} are disabled")
        assert "HTTP 503" in letter.text
        late = post(account, dead.url)
        until(lambda: Delivery.objects.filter(pk=late.pk, state="disabled").exists())
        due_now(Delivery.objects.filter(state="due").earliest("pk"))
        until(lambda: Delivery.objects.filter(state="disabled").count() == 2)
        assert len(dead.received) == 10
        late.refresh_from_db()
        assert (late.attempts, late.last_error) == (0, "the receiver is disabled")
        assert Letter.objects.count() == 1
        assert_sound()

    @pytest.mark.parametrize(("times", "every"), [(9, 20 * HOUR), (12, 10 * HOUR), (2, 200 * HOUR)])
    def test_few_or_fresh_failures_are_none(
        self, account: Account, dead: Receiver, times: int, every: timedelta
    ) -> None:
        fail(account, dead, times, every)
        assert (Origin.objects.get().disabled_at, Letter.objects.count()) == (None, 0)

    def test_a_success_in_between_clears_them(self, account: Account, dead: Receiver) -> None:
        fail(account, dead, 9, timedelta(hours=14))
        dead.say(Say(200), Say(503))
        after_attempt(post(account, dead.url), 1)
        assert not Origin.objects.exists()
        fail(account, dead, 2, 20 * HOUR)
        assert (Origin.objects.get().failures, Origin.objects.get().disabled_at) == (2, None)

    def test_others_are_let_be(self, account: Account, dead: Receiver, receive: Receive) -> None:
        fail(account, dead, 10, timedelta(hours=14))
        bob, quick = account_of("bob@example.com"), receive()
        assert after_attempt(post(bob, dead.url), 1).last_error == "HTTP 503"
        assert after_attempt(post(account, quick.url), 1).state == "delivered"

    def test_it_is_enabled_again(self, account: Account, dead: Receiver) -> None:
        fail(account, dead, 10, timedelta(hours=14))
        late = post(account, dead.url)
        until(lambda: Delivery.objects.filter(pk=late.pk, state="disabled").exists())
        dead.say(Say(200))
        assert not origins.enable(account_of("bob@example.com"), dead.host)
        assert [origins.enable(account, dead.host), origins.enable(account, dead.host)] == [True, False]
        assert AuditEntry.objects.get(action="webhook_origin.enable").account == account
        assert recover(account.pk, "test", clock.now() - HOUR) == 1
        delivery.wake()
        assert after_attempt(late, 1).state == "delivered"
        assert_sound()

    def test_what_is_asked_for_by_hand_goes_out_and_a_success_enables(self, account: Account, dead: Receiver) -> None:
        fail(account, dead, 10, timedelta(hours=14))
        after_attempt(send_test(account.pk, "test", dead.url), 1)
        assert Origin.objects.get().failures == 10
        dead.say(Say(200))
        one = Delivery.objects.earliest("pk")
        assert resend(one)
        delivery.wake()
        assert after_attempt(one, 2).state == "delivered"
        assert not Origin.objects.exists()


def test_only_owners_are_told(account: Account) -> None:
    member = User.objects.create_user("carol@example.com")
    Membership.objects.create(account=account, user=member, role="developer")
    for day in range(11):
        origins.note([origins.Result((account.pk, "h:443"), "timeout", False, bool(day))], clock.now())
        pass_time(timedelta(days=1))
    assert [letter.to for letter in Letter.objects.all()] == ["alice@example.com"]


class TestClosed:
    @pytest.mark.parametrize("column", ["suspended_at", "deleted_at"])
    def test_what_waits_is_stopped(self, account: Account, receive: Receive, column: str, courier: None) -> None:
        receiver = receive(Say(500))
        waiting = after_attempt(post(account, receiver.url), 1)
        Account.objects.filter(pk=account.pk).update(**{column: clock.now()})
        late = post(account, receiver.url)
        due_now(waiting)
        until(lambda: Delivery.objects.filter(state="stopped").count() == 2)
        assert len(receiver.received) == 1
        late.refresh_from_db()
        assert late.last_error == "the account is closed"
        assert_sound()

    def test_a_long_queue_of_theirs_holds_up_nobody(self, account: Account, receive: Receive, courier: None) -> None:
        receiver, bob = receive(), account_of("bob@example.com")
        queue(bob, receiver.url, 1500)
        Account.objects.filter(pk=bob.pk).update(suspended_at=clock.now())
        after_attempt(post(account, receiver.url), 1)
        until(lambda: Delivery.objects.filter(state="stopped").count() == 1500)
        assert len(receiver.received) == 1

    def test_who_is_readmitted_can_replay(self, account: Account, receive: Receive, courier: None) -> None:
        Account.objects.filter(pk=account.pk).update(suspended_at=clock.now())
        one = post(account, receive().url)
        until(lambda: Delivery.objects.filter(state="stopped").exists())
        Account.objects.filter(pk=account.pk).update(suspended_at=None)
        assert replay(account.pk, "test") == 1
        delivery.wake()
        assert after_attempt(one, 1).state == "delivered"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Example.COM./hook", "example.com:443"),
        ("https://\uff45xample.com/hook", "example.com:443"),
        ("https://b\xfccher.example:8443", "xn--bcher-kva.example:8443"),
        ("http://[2001:DB8::1]/", "2001:db8::1:80"),
    ],
)
def test_a_receiver_is_spelled_as_it_is_dialled(url: str, host: str) -> None:
    assert host_of(url) == host
