"""The database stops under a running installation, and comes back."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.cookiejar import CookieJar
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import HTTPError
from urllib.request import HTTPCookieProcessor, Request, build_opener

import pytest

from accounts import keys
from eggapi import openapi
from tests.servers import Server, start_postgres
from tests.serving.installation import Installation

pytestmark = [pytest.mark.postgres_only, pytest.mark.once, pytest.mark.timeout(240)]

BODY = "egg_test_" + 30 * "0"
UNKNOWN = BODY + keys.checksum(BODY)
NAMES = {
    "task_id": "gen_4k2m9x7q1w8e5r3t6y0u2i4o",
    "event_id": "msg_4k2m9x7q1w8e5r3t6y0u2i4o",
    "key_id": "1",
    "month": "2026-05",
}


@pytest.fixture
def postgres() -> Iterator[Server]:
    """One of the test's own, in a folder that PostgreSQL's user can reach."""
    with TemporaryDirectory(prefix="egg-") as folder:
        server = start_postgres(Path(folder))
        yield server
        server.stop()


class Customer:
    """Somebody with a key and, in the browser, a session."""

    def __init__(self, egg: Installation) -> None:
        self._url = egg.url
        self._open = build_opener(HTTPCookieProcessor(CookieJar())).open
        self._open(egg.manage("login_link", "demo@example.com").stdout.strip(), timeout=20).close()

    def answer(self, call: tuple[str, str, str]) -> tuple[int, str, bool]:
        """(status, code, whether it says when to come back)"""
        method, path, key = call
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}" if key else ""}
        data = json.dumps({"model": "nanobanana", "prompt": "an egg", "key": UNKNOWN}).encode()
        request = Request(self._url + path, data if method == "POST" else None, headers, method=method)
        try:
            with self._open(request, timeout=60) as reply:
                return reply.status, "", "Retry-After" in reply.headers
        except HTTPError as error:
            return error.code, json.load(error)["error"]["code"], "Retry-After" in error.headers


def calls(key: str) -> Iterator[tuple[str, str, str]]:
    """(method, path, key) of every operation, with a key and with a session where both are taken, and of some pages."""
    for path, item in openapi.document()["paths"].items():
        for method, operation in item.items():
            for credential in operation.get("security") or [{}]:
                yield method.upper(), path.format(**NAMES), key if "key" in credential else ""
    yield from [("GET", "/v1/balance", UNKNOWN), ("GET", "/home", ""), ("GET", "/admin/", "")]


def test_every_answer_says_so_and_work_goes_on_when_it_is_back(
    install: Callable[..., Installation], postgres: Server, redis_url: str
) -> None:
    egg = install(DATABASE_URL=postgres.url, REDIS_URL=redis_url).start()
    customer, process = Customer(egg), egg.process
    under_way = egg.post_tasks(3, "sandbox:slow=5 castle")
    postgres.stop()
    asked = list(calls(egg.key))
    with ThreadPoolExecutor(8) as pool:
        answers = dict(zip(asked, pool.map(customer.answer, asked), strict=True))
    assert answers == dict.fromkeys(asked, (503, "SERVICE_UNAVAILABLE", True))

    postgres.start()
    egg.wait_for(egg.is_ready)
    tasks = [*under_way, *egg.post_tasks(2, "castle")]
    assert set(egg.wait_until_ended(tasks).values()) == {"completed"}
    assert egg.process is process
    assert egg.manage("audit_ledger").returncode == 0
    purchases = egg.purchases()
    assert [purchases[task] for task in tasks] == [1] * 5
