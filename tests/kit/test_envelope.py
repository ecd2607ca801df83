"""The one shape of every answer, whatever went wrong."""

import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import orjson
import pytest
from django.test import Client
from pytest_django import Settings

from eggapi import errors
from eggapi.errors import ApiError
from tests.customer import Answer
from tests.servers import Server, start_postgres
from tests.serving.installation import Installation

EXPECTED: dict[str, tuple[int, str]] = {
    "unexpected": (500, "INTERNAL_ERROR"),
    "constraint": (500, "INTERNAL_ERROR"),
    "operational": (503, "SERVICE_UNAVAILABLE"),
    "interface": (503, "SERVICE_UNAVAILABLE"),
    "pool": (503, "SERVICE_UNAVAILABLE"),
    "http404": (404, "NOT_FOUND"),
    "drf404": (404, "NOT_FOUND"),
    "denied": (403, "FORBIDDEN"),
    "drf-denied": (403, "FORBIDDEN"),
    "suspicious": (400, "BAD_REQUEST"),
    "parse": (400, "BAD_REQUEST"),
    "limited": (429, "RATE_LIMITED"),
    "upstream": (502, "UPSTREAM_ERROR"),
    "in-flight": (409, "IDEMPOTENCY_IN_FLIGHT"),
}
DOCUMENTED = {
    ("BAD_REQUEST", 400),
    ("VALIDATION_ERROR", 400),
    ("UNAUTHORIZED", 401),
    ("FORBIDDEN", 403),
    ("INSUFFICIENT_BALANCE", 403),
    ("NOT_FOUND", 404),
    ("METHOD_NOT_ALLOWED", 405),
    ("IDEMPOTENCY_IN_FLIGHT", 409),
    ("PAYLOAD_TOO_LARGE", 413),
    ("UNSUPPORTED_MEDIA_TYPE", 415),
    ("IDEMPOTENCY_MISMATCH", 422),
    ("RATE_LIMITED", 429),
    ("INTERNAL_ERROR", 500),
    ("UPSTREAM_ERROR", 502),
    ("SERVICE_UNAVAILABLE", 503),
}


@pytest.mark.urls("tests.kit.views")
class TestFailure:
    def get(self, path: str, **headers: str) -> Answer:
        return Answer(Client(raise_request_exception=False).get(path, headers=headers))

    @pytest.mark.parametrize("failure", EXPECTED)
    def test_it_is_told_in_the_envelope(self, failure: str) -> None:
        assert self.get(f"/v1/fail/{failure}").refusal == EXPECTED[failure]
        assert self.get(f"/fail/{failure}").refusal == EXPECTED[failure]

    @pytest.mark.parametrize("failure", EXPECTED)
    def test_it_says_nothing_of_what_is_inside(self, failure: str) -> None:
        for path in (f"/v1/fail/{failure}", f"/fail/{failure}"):
            answer = self.get(path)
            inside = (
                b"egg_",
                b"prompt was",
                b"Failing row",
                b"10.0.0.5",
                b"connection",
                b"Traceback",
                b'Error"',
                b".py",
            )
            assert [word for word in inside if word in answer.body] == []
        assert set(answer.error) == {"code", "message", "request_id", "docs_url"}

    @pytest.mark.parametrize(("failure", "seconds"), [("operational", "2"), ("pool", "2"), ("limited", "7")])
    def test_it_says_when_to_come_back(self, failure: str, seconds: str) -> None:
        assert self.get(f"/v1/fail/{failure}").headers["Retry-After"] == seconds
        assert self.get(f"/fail/{failure}").headers["Retry-After"] == seconds

    def test_it_leads_to_the_documentation(self, settings: Settings) -> None:
        docs = "http://api.example/docs/errors#not_found"
        assert self.get("/v1/fail/http404", Host="api.example").error["docs_url"] == docs
        settings.EGGAPI_PUBLIC_URL = "https://eggapi.example"
        assert self.get("/v1/fail/http404").error["docs_url"] == "https://eggapi.example/docs/errors#not_found"


def test_people_who_lose_their_way_get_a_page(client: Client) -> None:
    response = client.get("/nowhere", headers={"Accept": "text/html,*/*;q=0.8"})
    assert (response.status_code, response["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert Answer(client.get("/nowhere")).refusal == (404, "NOT_FOUND")


def test_the_codes_are_the_documented_ones() -> None:
    classes = [error for error in vars(errors).values() if isinstance(error, type) and issubclass(error, ApiError)]
    assert {(error.code, error.status) for error in classes} == DOCUMENTED
    assert all(error.message for error in classes)


@pytest.fixture
def postgres() -> Iterator[Server]:
    """A PostgreSQL of the test's own, to be killed."""
    with tempfile.TemporaryDirectory(prefix="egg-") as folder:
        server = start_postgres(Path(folder))
        yield server
        server.stop()


@pytest.fixture
def egg(postgres: Server, redis_url: str, tmp_path: Path) -> Iterator[Installation]:
    egg = Installation(tmp_path / "home", DATABASE_URL=postgres.url, REDIS_URL=redis_url, EGGAPI_POOL="12")
    yield egg.start()
    egg.kill()


def ask(egg: Installation, method: str, path: str, key: str = "") -> tuple[int, str, str | None]:
    """(status, error code, Retry-After)"""
    headers = {"Authorization": f"Bearer {key or egg.key}", "Content-Type": "application/json"}
    body = b'{"model": "nanobanana", "prompt": "an egg"}' if method == "POST" else None
    try:
        with urlopen(Request(egg.url + path, body, headers, method=method), timeout=20) as reply:
            return reply.status, "", None
    except HTTPError as error:
        return error.code, orjson.loads(error.read())["error"]["code"], error.headers["Retry-After"]


@pytest.mark.postgres_only
@pytest.mark.once
@pytest.mark.timeout(240)
def test_a_database_that_is_away_refuses_nobody_for_good(postgres: Server, egg: Installation) -> None:
    """503 for every good key while it is away, and all is well when it is back: nothing has to be restarted."""
    away, wrong = (503, "SERVICE_UNAVAILABLE", "2"), "egg_test_" + "0" * 36
    assert ask(egg, "POST", "/v1/generate") == (202, "", None)
    for death in (signal.SIGKILL, signal.SIGQUIT):
        postgres.kill(death)
        for method, path in (("GET", "/v1/balance"), ("GET", "/v1/tasks"), ("POST", "/v1/generate")):
            started = time.monotonic()
            assert ask(egg, method, path) == away
            assert time.monotonic() - started < 15
        assert ask(egg, "GET", "/v1/balance", wrong)[:2] == (401, "UNAUTHORIZED")
        assert ask(egg, "GET", "/healthz")[0] == 200
        assert ask(egg, "GET", "/readyz")[0] == 503

        postgres.start()
        egg.wait_for(lambda: ask(egg, "GET", "/v1/balance") == (200, "", None), 30)
        tasks = egg.post_tasks(3, "back again")
        assert set(egg.wait_until_ended(tasks, 30).values()) == {"completed"}
