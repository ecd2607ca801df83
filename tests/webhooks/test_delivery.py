"""From a published event to the customer's server, and what is written down about it."""

from datetime import timedelta
from socket import create_server

import pytest
from pytest_django import Settings
from standardwebhooks import Webhook

from accounts.models import Account
from tests.webhooks.conftest import Receive, after_attempt, due_now, post, queue, until
from tests.webhooks.receiver import HANG, Say
from webhooks import delivery, secrets
from webhooks.models import Delivery, DeliveryAttempt, Event

pytestmark = pytest.mark.usefixtures("courier")


def test_it_works(account: Account, receive: Receive) -> None:
    secret = secrets.rotate(account)
    receiver = receive(Say(202, b"thank you"))
    done = after_attempt(post(account, receiver.url, b'{"event":"task.completed","cost":"0.016000"}'), 1)
    (request,) = receiver.received
    assert request.body == b'{"event":"task.completed","cost":"0.016000"}'
    assert Webhook(secret).verify(request.body.decode(), dict(request.headers.items()))["cost"] == "0.016000"
    assert request.headers["webhook-id"] == done.event_id
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["User-Agent"] == "EggAPI-Webhooks/1"
    assert (done.state, done.attempts, done.last_status, done.last_error) == ("delivered", 1, 202, "")
    assert (done.next_run_at, done.lease_until) == (None, None)
    row = done.log.get()
    assert (row.n, row.status, row.error, row.reply) == (1, 202, "", "thank you")


def test_it_delivers_nothing_where_nobody_asked(account: Account, receive: Receive) -> None:
    receiver = receive()
    queue(account, "")
    assert (Event.objects.count(), Delivery.objects.count()) == (1, 0)
    after_attempt(post(account, receiver.url), 1)
    assert len(receiver.received) == 1


def test_it_tries_again_with_the_same_id_and_bytes(account: Account, receive: Receive) -> None:
    receiver = receive(Say(500), Say(500), Say(500), Say(200))
    one = post(account, receiver.url, b'{"timestamp": 1}')
    waits = []
    for n in range(1, 4):
        after_attempt(one, n)
        assert (one.state, one.attempts, one.last_status, one.last_error) == ("due", n, 500, "HTTP 500")
        waits.append(due_now(one))
    after_attempt(one, 4)
    assert (one.state, one.attempts, one.last_status, one.last_error) == ("delivered", 4, 200, "")
    for wait, scheduled in zip(waits, (5, 300, 1800), strict=True):
        assert 0.9 * scheduled - 1 < wait.total_seconds() < 1.1 * scheduled
    assert {(r.headers["webhook-id"], r.body) for r in receiver.received} == {(one.event_id, b'{"timestamp": 1}')}
    times = [int(r.headers["webhook-timestamp"]) for r in receiver.received]
    assert times == sorted(times)
    assert [(a.n, a.status) for a in one.log.order_by("n")] == [(1, 500), (2, 500), (3, 500), (4, 200)]


def test_it_gives_up_after_ten_attempts(account: Account, receive: Receive) -> None:
    receiver = receive(Say(404))
    one = post(account, receiver.url)
    for n in range(1, 10):
        due_now(after_attempt(one, n))
    after_attempt(one, 10)
    assert (one.state, one.attempts, one.next_run_at, one.last_error) == ("failed", 10, None, "HTTP 404")
    assert len(receiver.received) == 10


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_it_follows_no_redirect(account: Account, receive: Receive, status: int) -> None:
    target = receive()
    one = after_attempt(post(account, receive(Say(status, headers={"Location": target.url})).url), 1)
    assert (one.state, one.last_status, one.last_error) == ("due", status, f"HTTP {status}")
    assert target.received == []


def test_it_stops_where_the_receiver_is_gone(account: Account, receive: Receive) -> None:
    one = after_attempt(post(account, receive(Say(410)).url), 1)
    assert (one.state, one.next_run_at, one.last_error) == ("stopped", None, "HTTP 410")


def test_it_waits_as_long_as_the_receiver_asks(account: Account, receive: Receive) -> None:
    one = after_attempt(post(account, receive(Say(429, headers={"Retry-After": "120"})).url), 1)
    assert timedelta(seconds=118) < due_now(one) <= timedelta(seconds=120)


def test_it_dials_no_private_address(account: Account, receive: Receive) -> None:
    receiver = receive(admitted=False)
    one = after_attempt(post(account, receiver.url.replace("http:", "https:")), 1)
    assert (one.state, one.last_status, one.last_error) == ("due", None, "address not allowed")
    assert receiver.received == []


def test_it_dials_what_is_admitted_and_no_longer_when_it_is_not(
    account: Account, receive: Receive, settings: Settings
) -> None:
    receiver = receive(Say(500))
    one = after_attempt(post(account, receiver.url), 1)
    settings.EGGAPI_PRIVATE_HOSTS_ALLOWED = frozenset()
    due_now(one)
    after_attempt(one, 2)
    assert one.last_error == "address not allowed"
    assert len(receiver.received) == 1


def test_it_records_a_refused_connection(account: Account, settings: Settings) -> None:
    with create_server(("127.0.0.1", 0)) as closed:
        host = f"127.0.0.1:{closed.getsockname()[1]}"
    settings.EGGAPI_PRIVATE_HOSTS_ALLOWED = frozenset([host])
    one = after_attempt(post(account, f"http://{host}/"), 1)
    assert (one.state, one.last_status, one.last_error) == ("due", None, "connection failed")
    assert one.log.get().error == "connection failed"


def test_it_keeps_the_beginning_of_a_reply(account: Account, receive: Receive) -> None:
    one = after_attempt(post(account, receive(Say(200, b"a\0\xff" + b"x" * 100_000)).url), 1)
    assert one.log.get().reply == "a\ufffd" + "x" * 1021


def test_both_secrets_sign_after_a_rotation(account: Account, receive: Receive) -> None:
    older, newer = secrets.rotate(account), secrets.rotate(account)
    receiver = receive(Say(500), Say(200))
    one = after_attempt(post(account, receiver.url), 1)
    account.webhook_secrets.exclude(expires_at=None).update(expires_at=one.log.get().at)
    due_now(one)
    after_attempt(one, 2)
    overlap, later = receiver.received
    assert len(overlap.headers["webhook-signature"].split()) == 2
    assert len(later.headers["webhook-signature"].split()) == 1
    for secret, request in [(older, overlap), (newer, overlap), (newer, later)]:
        Webhook(secret).verify(request.body.decode(), dict(request.headers.items()))


def test_a_secret_that_cannot_be_read_costs_no_attempt(account: Account, receive: Receive) -> None:
    account.webhook_secrets.update(encrypted="not ours")
    receiver = receive()
    one = post(account, receiver.url)
    until(lambda: not Delivery.objects.filter(lease_until=None, next_run_at=one.next_run_at).exists())
    until(lambda: Delivery.objects.filter(lease_until=None).exists())
    one.refresh_from_db()
    assert (one.state, one.attempts) == ("due", 0)
    assert due_now(one) > timedelta(seconds=50)
    assert (receiver.received, DeliveryAttempt.objects.count()) == ([], 0)


def test_it_does_not_wait_for_ever(account: Account, receive: Receive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "TOTAL_SECONDS", 0.3)
    one = after_attempt(post(account, receive(HANG).url), 1)
    assert (one.state, one.last_status, one.last_error) == ("due", None, "timeout")
    assert 300 <= one.log.get().milliseconds < 15000
