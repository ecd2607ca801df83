"""`manage.py serve` as its user meets it: a process, a folder, a port."""

import json
import re
import socket
import sqlite3
import stat
import subprocess
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPResponse
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import HTTPCookieProcessor, build_opener

import pytest
from PIL import Image

from tests.serving.installation import Installation

pytestmark = pytest.mark.once
Install = Callable[..., Installation]


def lines(egg: Installation) -> dict[str, str]:
    """What was printed, by its first words."""
    matches = re.findall(r"^(\S+(?: \S+)*?)  +(\S.*)$", egg.printed.read_text(), re.M)
    return dict(matches)


def test_it_works(install: Install) -> None:
    egg = install().start()
    assert egg.url == f"http://127.0.0.1:{egg.port}"
    assert stat.S_IMODE((egg.home / "demo.key").stat().st_mode) == 0o600
    egg.wait_for(lambda: "First picture" in lines(egg))
    printed = lines(egg)
    assert list(printed) == ["EggAPI is up", "Sign in once", "Your key", "Try it", "Log", "First picture"]
    assert printed["EggAPI is up"].startswith(egg.url)
    assert printed["Your key"].startswith(egg.key)
    with Image.open(printed["First picture"]) as picture:
        assert picture.format == "PNG"
        assert picture.width / picture.height == pytest.approx(16 / 9, rel=0.01)
    task = subprocess.run(["sh", "-c", printed["Try it"]], capture_output=True, check=True).stdout
    assert b'"status":"pending"' in task
    assert egg.stop() == 0
    assert not (egg.home / "url").exists()


def test_the_link_signs_the_operator_in_once(egg: Installation) -> None:
    egg.start()
    link = lines(egg)["Sign in once"].partition(" ")[0]
    browser = build_opener(HTTPCookieProcessor())
    browser.open(link).close()
    with browser.open(f"{egg.url}/admin/") as page:
        assert page.url == f"{egg.url}/admin/"
    with pytest.raises(HTTPError, match="410"):
        browser.open(link)


def test_it_rejects_a_second_server_on_the_same_data(egg: Installation, install: Install) -> None:
    egg.start()
    other = install(EGGAPI_HOME=str(egg.home))
    second = other.manage("serve")
    assert second.returncode == 1
    assert second.stderr == (
        f"Another EggAPI serves from {egg.home}. Stop it, or set EGGAPI_HOME to a folder of this one's own.\n"
    )
    assert egg.is_ready()


def test_it_rejects_a_port_that_is_taken(egg: Installation) -> None:
    with socket.create_server(("127.0.0.1", egg.port)):
        refused = egg.manage("serve")
    assert refused.returncode == 1
    assert re.fullmatch(rf"Cannot listen on 127\.0\.0\.1 port {egg.port}: .*\. Set PORT .*\n", refused.stderr)


@pytest.mark.parametrize(
    "variable",
    [
        {"PORT": "web"},
        {"DATABASE_URL": "mysql://a/b"},
        {"REDIS_URL": "redis://127.0.0.1:1"},
        {"EGGAPI_HOME": "/dev/null"},
    ],
)
def test_it_says_which_variable_to_set(install: Install, variable: dict[str, str]) -> None:
    refused = install(**variable).manage("serve")
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert next(iter(variable)) in refused.stderr


def test_the_default_port_moves_on(egg: Installation) -> None:
    del egg.environment["PORT"]
    try:
        taken = socket.create_server(("127.0.0.1", 8000))
    except OSError:
        taken = socket.socket()  # somebody else has it: as good
    with taken:
        egg.start()
        assert 8000 < int(egg.url.rpartition(":")[2]) < 8100
        assert lines(egg)["Port"].startswith("8000 is taken")


def test_the_key_survives_a_restart_and_is_replaced_once_revoked(egg: Installation) -> None:
    egg.start()
    first = egg.key
    egg.wait_for(lambda: "First picture" in lines(egg))
    egg.stop()
    egg.start()
    assert egg.key == first
    assert egg.call("GET", "/v1/balance")[0] == 200
    assert egg.printed.read_text().count("First picture") == 1
    assert egg.manage("keys", "revoke", first[-4:]).returncode == 0
    assert egg.call("GET", "/v1/balance")[0] == 401
    egg.stop()
    egg.start()
    assert egg.key != first
    assert egg.call("GET", "/v1/balance")[0] == 200


def test_a_public_address_that_leads_nowhere_yet_costs_no_picture(install: Install) -> None:
    egg = install(EGGAPI_PUBLIC_URL="https://egg.example", ALLOWED_HOSTS="egg.example").start()
    egg.wait_for(lambda: "First picture" in lines(egg))
    assert Path(lines(egg)["First picture"]).exists()
    assert lines(egg)["Sign in once"].startswith("https://egg.example/start/")


def test_it_serves_on_without_a_first_picture(egg: Installation) -> None:
    with closing(sqlite3.connect(egg.home / "eggapi.sqlite3")) as database, database:
        database.execute("INSERT INTO generation_imagemodel VALUES (1, 'other', 'A model of ours.', '[\"1k\"]', FALSE)")
    egg.start()
    egg.wait_for(lambda: "First picture" in lines(egg))
    assert lines(egg)["First picture"].startswith(
        "could not be made (the server refused: 400 VALIDATION_ERROR: model: "
    )
    assert egg.is_ready()


@pytest.mark.parametrize(
    ("request_text", "refusal"),
    [
        (b"POST /v1/generate HTTP/1.1\r\nHost: egg\r\nContent-Length: 99999999\r\n\r\n", (413, "PAYLOAD_TOO_LARGE")),
        (b"GET / HTTP/1.1\r\nHost: egg\r\nX-Long: " + b"x" * 300_000 + b"\r\n\r\n", (400, "BAD_REQUEST")),
        (b"HELLO\r\n\r\n", (400, "BAD_REQUEST")),
    ],
    ids=["huge body", "huge header", "no HTTP"],
)
def test_what_cannot_be_read_is_answered_in_the_envelope(
    served: Installation, request_text: bytes, refusal: tuple[int, str]
) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=10) as caller:
        caller.sendall(request_text)
        reply = HTTPResponse(caller)
        reply.begin()
        body = json.load(reply)
    assert (reply.status, body["error"]["code"]) == refusal
    assert body["error"]["request_id"] == reply.headers["X-Request-Id"]
    assert "Server" not in reply.headers


def test_log_keeps_no_secret(egg: Installation) -> None:
    egg.start()
    egg.post_tasks(3, "a most secret prompt")
    assert egg.call("GET", "/v1/balance", key="egg_test_wrong")[0] == 401
    egg.stop()
    log = (egg.home / "eggapi.log").read_text()
    assert '"path": "/v1/generate"' in log
    assert "secret prompt" not in log
    assert "egg_test_" not in log
