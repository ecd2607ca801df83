"""The grown-up installation: Celery workers and beat as processes, on PostgreSQL and a Redis that may die."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis as redis_client

from accounts.caller import Caller
from accounts.models import Account
from billing.models import LedgerEntry
from generation.models import TERMINAL, Heartbeat, Purchase, Task
from generation.submit import submit
from tests.servers import Server, start_redis

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres_only]

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Server]:
    """A Redis of the test's own, to be killed."""
    server = start_redis(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def start(database_url: str, redis: Server) -> Iterator[Start]:
    started = []

    def start_celery(*arguments: str) -> "subprocess.Popen[bytes]":
        environment = {**os.environ, "DATABASE_URL": database_url, "REDIS_URL": redis.url}
        environment["DJANGO_SETTINGS_MODULE"] = "eggapi.settings"
        command = [sys.executable, "-m", "celery", "-A", "eggapi", *arguments]
        started.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL))
        return started[-1]

    yield start_celery
    for process in started:
        process.kill()
        process.wait()


def start_worker(start: Start) -> "subprocess.Popen[bytes]":
    before = Heartbeat.objects.count()
    worker = start("worker", "--pool", "threads", "--concurrency", "2", "--without-gossip", "--without-mingle")
    wait_until(lambda: Heartbeat.objects.count() > before, 30)
    return worker


def wait_until(true: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.1)


def post(account: Account, count: int, prompt: str = "an egg") -> list[Task]:
    caller = Caller(account.pk, "test")
    return [submit(caller, {"model": "nanobanana", "prompt": prompt})[0] for _ in range(count)]


def all_ended() -> bool:
    return not Task.objects.exclude(status__in=TERMINAL).exists()


def assert_each_paid_once(tasks: list[Task]) -> None:
    assert set(Task.objects.values_list("status", "cost")) == {("completed", 10_000)}
    assert Purchase.objects.count() == len(tasks)
    assert LedgerEntry.objects.filter(kind="capture").count() == len(tasks)


def test_it_works(account: Account, start: Start) -> None:
    start("beat", "--schedule", os.devnull)
    start_worker(start)
    tasks = post(account, 5)
    wait_until(all_ended, 20)
    assert_each_paid_once(tasks)


@pytest.mark.once
@pytest.mark.timeout(180)
def test_the_other_worker_finishes_what_a_killed_one_began(account: Account, start: Start) -> None:
    start("beat", "--schedule", os.devnull)
    tasks = post(account, 50, "an egg sandbox:slow=4")
    workers = [start_worker(start), start_worker(start)]
    wait_until(lambda: Purchase.objects.count() == 50, 30)
    workers[0].kill()
    killed_at = time.monotonic()
    wait_until(all_ended, 90)
    assert time.monotonic() - killed_at < 90
    assert_each_paid_once(tasks)


def test_it_goes_on_while_redis_is_dead(account: Account, start: Start, redis: Server) -> None:
    start("beat", "--schedule", os.devnull)
    worker = start_worker(start)
    client = redis_client.Redis.from_url(redis.url)
    client.shutdown(nosave=True)
    tasks = post(account, 10)
    wait_until(all_ended, 20)
    assert_each_paid_once(tasks)
    assert worker.poll() is None


def test_a_flushed_redis_loses_nothing(account: Account, start: Start, redis: Server) -> None:
    start("beat", "--schedule", os.devnull)
    start_worker(start)
    tasks = post(account, 20)
    redis_client.Redis.from_url(redis.url).flushall()
    wait_until(all_ended, 20)
    assert_each_paid_once(tasks)


def test_sigterm_ends_a_worker_and_gives_its_leases_back(account: Account, start: Start) -> None:
    start("beat", "--schedule", os.devnull)
    worker = start_worker(start)
    tasks = post(account, 30, "an egg sandbox:slow=2")
    wait_until(lambda: Purchase.objects.count() >= 10, 20)
    worker.terminate()
    assert worker.wait(30) == 0
    assert not Task.objects.filter(lease_until__isnull=False).exists()
    start_worker(start)
    wait_until(all_ended, 30)
    assert_each_paid_once(tasks)
