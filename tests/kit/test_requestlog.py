"""What we log: a line of JSON per request, and nothing that belongs to a customer."""

import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from django.db import IntegrityError, OperationalError
from django.test import Client
from redis import RedisError

from eggapi.http import NotSent
from eggapi.requestlog import redact
from generation import catalog
from tests.customer import Customer
from tests.kit.log import Lines, written

KEY = "egg_live_0123456789ABCDEFGHIJabcdefghij000000"


@pytest.fixture
def log() -> Iterator[Lines]:
    with written() as lines:
        yield lines


@pytest.fixture
def on_sale(db: None) -> None:
    catalog.seed()
    catalog._forget()


@pytest.mark.django_db
class TestRequest:
    def test_it_works(self, log: Lines, on_sale: None) -> None:
        alice = Customer()
        answer = alice.generate()
        (line,) = log.requests
        assert list(line) == ["at", "level", "logger", "event", "request_id", "method", "path", "status", "ms"] + [
            "account",
            "key",
            "task",
        ]
        assert (line["request_id"], line["status"]) == (answer.headers["X-Request-Id"], 202)
        assert (line["method"], line["path"]) == ("POST", "/v1/generate")
        assert (line["account"], line["key"], line["task"]) == (alice.account.pk, alice.key.pk, answer.data["id"])
        assert 0 < line["ms"] < 60_000
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line["at"])

    def test_every_request_has_its_line(self, log: Lines, on_sale: None) -> None:
        alice = Customer()
        alice.get("/v1/tasks?page=x")
        alice.get("/v1/nothing")
        alice.get("/v1/balance", Authorization="")
        alice.post(b"{")
        alice.send("DELETE", "/v1/generate")
        alice.http.get("/files/images/x.png?expires=1&signature=SIGNATURE")
        assert [line["status"] for line in log.requests] == [400, 404, 401, 400, 405, 404]
        assert len({line["request_id"] for line in log.requests}) == 6

    def test_it_names_the_request_by_itself(self, log: Lines) -> None:
        answer = Customer().get("/v1/balance", X_Request_Id="mine\nforged", X_Request_ID="mine")
        assert log.requests[0]["request_id"] == answer.headers["X-Request-Id"]
        assert "mine" not in log.text

    def test_a_path_cannot_forge_a_line(self, log: Lines) -> None:
        Customer().get('/v1/x%0A{"level": "info"}%22%00%E2%80%A8')
        assert len(log.text.splitlines()) == len(log.requests) == 1


@pytest.mark.urls("tests.kit.views")
@pytest.mark.parametrize("failure", ["unexpected", "constraint"])
def test_an_unexpected_exception_is_logged_with_its_place_and_without_secrets(log: Lines, failure: str) -> None:
    for path in (f"/v1/fail/{failure}", f"/fail/{failure}"):
        Client(raise_request_exception=False).get(path)
        error, request = log.lines[-2:]
        assert (error["level"], error["event"], request["status"]) == ("error", "unexpected exception", 500)
        assert re.search(r"tests/kit/views\.py:\d+ (get|outside)$", error["error"]["frames"][-1])
    assert [word for word in ("egg_live_", "whsec_", "abcdef", "Failing row") if word in log.text] == []


class TestForm:
    def line(self, *args: Any, **extra: Any) -> str:
        lines = Lines()
        logger = logging.Logger("test")
        logger.addHandler(lines)
        logger.warning(*args, **extra)
        return lines.text

    def test_it_works(self) -> None:
        line = json.loads(self.line("%s failed", "it", extra={"task": "gen_1", "seconds": 1.5}))
        assert line.pop("at")
        assert line == {"level": "warning", "logger": "test", "event": "it failed", "task": "gen_1", "seconds": 1.5}

    @pytest.mark.parametrize("secret", [KEY, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "Bearer abc.def"])
    def test_secrets_are_struck_out_wherever_they_are(self, secret: str) -> None:
        assert redact(f"a {secret} b") == "a [secret] b"
        assert secret not in self.line(f"a {secret} b")
        assert secret not in self.line("a", extra={"b": {"c": [secret]}})
        assert secret not in self.line("a", exc_info=ValueError(secret))

    @pytest.mark.parametrize(
        ("error", "message"),
        [
            (KeyError("an egg"), ""),
            (ValueError("invalid literal for int() with base 10: 'an egg'"), ""),
            (UnicodeEncodeError("ascii", "an egg", 0, 1, "no"), ""),
            (IntegrityError("Failing row contains (an egg)"), ""),
            (requests.ConnectionError("Max retries exceeded with url: /?q=an+egg"), ""),
            (OperationalError("too many clients already"), "too many clients already"),
            (OSError(28, "No space left on device", "/var/an egg"), "No space left on device"),
            (NotSent("the host name was not found"), "the host name was not found"),
            (RedisError("Connection refused."), "Connection refused."),
        ],
    )
    def test_an_exception_speaks_where_it_cannot_quote_a_customer(self, error: Exception, message: str) -> None:
        described = json.loads(self.line("a", exc_info=error))["error"]
        assert described == {"type": type(error).__name__, "message": message, "frames": []}

    def test_what_json_does_not_know_is_written_as_text(self) -> None:
        assert json.loads(self.line("a", extra={"b": {1}}))["b"] == "{1}"

    def test_a_line_is_a_line(self) -> None:
        assert self.line("a\nb\u2028c", exc_info=ValueError("d\ne")).count("\n") == 1
