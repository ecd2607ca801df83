"""A ring reaches the broker soon and once, and a broker in trouble reaches nobody."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from socket import create_server
from typing import Any

import pytest

from eggapi import doorbell
from eggapi.celery import app
from eggapi.doorbell import ring

RINGS_IN_TROUBLE = """
import time
import django

django.setup()
from eggapi.doorbell import ring

started = time.perf_counter()
for _ in range(100):
    ring("some.task")
print(time.perf_counter() - started)
time.sleep({seconds})
"""


@pytest.fixture
def broker() -> Iterator[Any]:
    """A channel to the broker, whose queue is empty."""
    with app.connection_for_read() as connection:
        channel: Any = connection.default_channel
        app.amqp.queues["celery"].bind(channel).declare()
        channel.queue_purge("celery")
        yield channel


def rung(broker: Any, least: int, seconds: float = 15) -> list[str]:
    """The tasks published, once there are so many and nothing more has come for a while."""
    found: list[str] = []
    give_up_at = time.monotonic() + seconds
    while len(found) < least and time.monotonic() < give_up_at:
        time.sleep(0.2)
        while message := broker.basic_get("celery", no_ack=True):
            found.append(message.headers["task"])
    return found


def test_it_works(broker: Any) -> None:
    ring("some.task")
    assert rung(broker, 1) == ["some.task"]


def test_rings_close_together_are_one(broker: Any) -> None:
    for _ in range(1000):
        ring("some.task")
    assert 1 <= len(rung(broker, 1)) <= 3


def test_each_task_has_its_own_ring(broker: Any) -> None:
    threads = [threading.Thread(target=ring, args=[f"task.{n % 2}"]) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(rung(broker, 2)) == {"task.0", "task.1"}


def test_it_rings_after_a_fork(broker: Any) -> None:
    ring("before.fork")
    assert rung(broker, 1) == ["before.fork"]
    child = os.fork()
    if child == 0:
        ring("after.fork")
        time.sleep(3)
        os._exit(0)
    os.waitpid(child, 0)
    if app.connection_for_read().transport.driver_type == "redis":  # memory:// stays in its process
        assert rung(broker, 1) == ["after.fork"]


@pytest.mark.parametrize("trouble", ["refuses", "is silent"])
def test_a_broker_in_trouble_holds_up_nobody(trouble: str) -> None:
    with create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        if trouble == "refuses":
            listener.close()
        env = os.environ | {"DJANGO_SETTINGS_MODULE": "eggapi.settings", "REDIS_URL": f"redis://127.0.0.1:{port}/0"}
        done = subprocess.run(
            [sys.executable, "-c", RINGS_IN_TROUBLE.format(seconds=4 if trouble == "refuses" else 0)],
            env=env, capture_output=True, text=True, check=True, timeout=90,
        )  # fmt: skip
    assert float(done.stdout) < 10
    if trouble == "refuses":
        assert done.stderr.count("cannot reach the broker") == 1


def test_it_connects_anew(broker: Any) -> None:
    ring("some.task")
    assert rung(broker, 1) == ["some.task"]
    doorbell._doorbell._connection.collect()
    ring("some.task")
    assert rung(broker, 1) == ["some.task"]
