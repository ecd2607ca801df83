"""Many who wait at one small server: the others do not notice."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.request import Request, urlopen

import pytest

from tests.serving.installation import Installation

pytestmark = pytest.mark.once


def task(seconds: int) -> dict[str, str]:
    return {"model": "nanobanana", "prompt": f"an egg sandbox:slow={seconds}"}


def test_more_may_wait_than_there_are_threads(egg: Installation) -> None:
    egg.start()
    headers = {"Authorization": f"Bearer {egg.key}", "Content-Type": "application/json", "Prefer": "wait=60"}

    def wait(_: int) -> int:
        request = Request(f"{egg.url}/v1/generate", json.dumps(task(12)).encode(), headers)
        with urlopen(request, timeout=60) as reply:
            return int(reply.status)

    with ThreadPoolExecutor(12) as threads:
        waiting = threads.map(wait, range(12))
        time.sleep(1)
        began = time.monotonic()
        assert egg.call("GET", "/v1/balance")[0] == 200
        assert time.monotonic() - began < 8
        assert list(waiting) == [200] * 12


def test_an_open_stream_does_not_keep_it_from_stopping(egg: Installation) -> None:
    egg.start()
    task_id = egg.call("POST", "/v1/generate", task(60))[1]["id"]
    request = Request(f"{egg.url}/v1/tasks/{task_id}/events", headers={"Authorization": f"Bearer {egg.key}"})
    with urlopen(request, timeout=60) as stream:
        assert stream.readline() == b"retry: 2000\n"
        began = time.monotonic()
        assert egg.stop() == 0
        assert time.monotonic() - began < 40
