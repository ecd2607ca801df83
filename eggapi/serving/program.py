"""A customer's program: it asks the public API for a picture, over HTTP and without a proxy."""

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

from django.conf import settings

POLL_SECONDS = 0.25
CALL_SECONDS = 10.0

Task = dict[str, Any]


class NoPicture(Exception):
    """There will be no picture; the text says why."""


class Program:
    """Calls the EggAPI at `base_url` with a key. Every method raises NoPicture."""

    def __init__(self, base_url: str, key: str) -> None:
        self._base_url = base_url.rstrip("/")
        self._key = key
        self._open = build_opener(ProxyHandler({})).open

    def submit(self, body: dict[str, Any]) -> Task:
        return self._call("POST", "/v1/generate", body)

    def follow(self, task: Task, seconds: float) -> Iterator[Task]:
        """The task at first and whenever its status has changed, the last time when it has completed."""
        until = time.monotonic() + seconds
        while True:
            yield task
            if task["status"] == "completed":
                return
            if task["status"] == "failed":
                raise NoPicture(f"task {task['id']} failed: {task['error']}")
            before = task["status"]
            while task["status"] == before:
                if time.monotonic() > until:
                    raise NoPicture(f"task {task['id']} is still {before} after {seconds:.0f} seconds")
                time.sleep(POLL_SECONDS)
                task = self._call("GET", f"/v1/tasks/{task['id']}")

    def picture(self, task: Task) -> bytes:
        """The first of a completed task; fetched from here, as our name outside may lead nowhere yet."""
        url: str = task["output"]["url"]
        if settings.EGGAPI_PUBLIC_URL:
            url = url.replace(settings.EGGAPI_PUBLIC_URL, self._base_url, 1)
        return self._read(url)

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Task:
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        data = json.dumps(body).encode() if body else None
        try:
            answer: Task = json.loads(self._read(self._base_url + path, data, headers, method))["data"]
        except (ValueError, KeyError, TypeError) as error:
            raise NoPicture(f"what {self._base_url} answers is not EggAPI's") from error
        return answer

    def _read(
        self, url: str, data: bytes | None = None, headers: dict[str, str] | None = None, method: str = "GET"
    ) -> bytes:
        try:
            request = Request(url, data, headers or {}, method=method)
            with self._open(request, timeout=CALL_SECONDS) as reply:
                read: bytes = reply.read()
                return read
        except HTTPError as error:
            raise NoPicture(_refusal(error)) from error
        except (URLError, OSError, ValueError) as error:
            raise NoPicture(f"{self._base_url} does not answer: {getattr(error, 'reason', error)}") from error


def _refusal(error: HTTPError) -> str:
    """In the server's own words, where it has any."""
    try:
        told = json.loads(error.read())["error"]
        return f"the server refused: {error.code} {told['code']}: {told['message']}"
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return f"the server answered {error.code}"
