"""Many deliveries at once, and couriers that stop or die."""

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest
from django.db.models import F

from accounts.models import Account
from tests.webhooks.conftest import Receive, after_attempt, post, queue, until
from tests.webhooks.receiver import HANG, Say
from tests.webhooks.rules import assert_sound
from webhooks import delivery
from webhooks.models import Delivery
from webhooks.tasks import deliver


def test_a_slow_receiver_holds_up_nobody_else(
    account: Account, receive: Receive, courier: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "TOTAL_SECONDS", 120)
    slow, quick = receive(HANG), receive()
    queue(account, slow.url, 1000)
    delivery.wake()
    until(lambda: len(slow.received) == 4)
    for _ in range(10):
        after_attempt(post(account, quick.url), 1)
    assert (slow.most_at_once, len(slow.received), len(quick.received)) == (4, 4, 10)
    assert Delivery.objects.exclude(lease_until=None).count() == 4
    slow.let_go()
    until(lambda: Delivery.objects.filter(state="delivered").count() == 1010, seconds=60)
    assert slow.most_at_once == 4
    assert_sound()


def test_the_doorbell_starts_the_courier(account: Account, receive: Receive) -> None:
    queue(account, receive().url)
    assert deliver.name == "webhooks.tasks.deliver"
    deliver.apply()
    assert after_attempt(Delivery.objects.get(), 1).state == "delivered"
    delivery.stop(0)


def test_a_place_that_falls_free_is_taken_at_once(account: Account, receive: Receive, courier: None) -> None:
    receiver = receive()
    started = time.monotonic()
    queue(account, receiver.url, 100)
    delivery.wake()
    until(lambda: Delivery.objects.filter(state="delivered").count() == 100)
    assert time.monotonic() - started < 15  # not one claim per idle second, which would take 25
    assert receiver.most_at_once <= 4
    assert len({request.headers["webhook-id"] for request in receiver.received}) == len(receiver.received) == 100


def test_a_courier_that_stops_lets_what_is_on_its_way_arrive(account: Account, receive: Receive) -> None:
    receiver = receive(HANG)
    one = post(account, receiver.url)
    until(lambda: len(receiver.received) == 1)
    threading.Timer(0.3, receiver.let_go).start()
    delivery.stop(5)
    one.refresh_from_db()
    assert (one.state, one.lease_until) == ("delivered", None)


def test_a_courier_that_is_cut_off_gives_its_leases_back(account: Account, receive: Receive) -> None:
    receiver = receive(HANG, Say())
    one = post(account, receiver.url)
    until(lambda: len(receiver.received) == 1)
    delivery.stop(0.1)
    one.refresh_from_db()
    assert (one.state, one.lease_until, one.attempts) == ("due", None, 0)
    delivery.wake()
    after_attempt(one, 1)
    delivery.stop(0)
    assert one.state == "delivered"
    assert [request.headers["webhook-id"] for request in receiver.received] == [one.event_id] * 2


def test_what_a_killed_courier_had_sent_is_sent_again(account: Account, receive: Receive, database_url: str) -> None:
    receiver = receive(HANG, Say())
    queue(account, receiver.url, payload=b'{"n": 1}')
    one = Delivery.objects.get()
    killed = _courier_process(receiver.host)
    until(lambda: len(receiver.received) == 1, seconds=20)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not one.log.exists()
    Delivery.objects.update(lease_until=F("lease_until") - timedelta(seconds=61))
    delivery.wake()
    after_attempt(one, 1)
    delivery.stop(0)
    assert (one.state, one.attempts) == ("delivered", 1)
    assert [(r.headers["webhook-id"], r.body) for r in receiver.received] == [(one.event_id, b'{"n": 1}')] * 2


def _courier_process(host: str) -> "subprocess.Popen[bytes]":
    script = "import django; django.setup(); from webhooks import delivery; delivery.courier().join()"
    env = os.environ | {"DJANGO_SETTINGS_MODULE": "eggapi.settings", "EGGAPI_PRIVATE_HOSTS_ALLOWED": host}
    return subprocess.Popen([sys.executable, "-c", script], env=env)


@pytest.mark.postgres_only
def test_a_celery_worker_delivers_and_stops_cleanly(
    account: Account, receive: Receive, database_url: str, redis_url: str
) -> None:
    quick, slow = receive(), receive(HANG)
    env = os.environ | {"EGGAPI_PRIVATE_HOSTS_ALLOWED": f"{quick.host},{slow.host}"}
    command = [sys.executable, "-m", "celery", "-A", "eggapi", "worker", "--pool", "threads", "--concurrency", "2"]
    worker = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        queue(account, quick.url)
        until(lambda: Delivery.objects.filter(state="delivered").exists(), seconds=30)
        queue(account, slow.url)
        until(lambda: len(slow.received) == 1)
        worker.terminate()
        assert worker.wait(20) == 0
    finally:
        worker.kill()
        worker.wait()
    one = Delivery.objects.latest("pk")
    assert (one.state, one.lease_until, one.attempts) == ("due", None, 0)
