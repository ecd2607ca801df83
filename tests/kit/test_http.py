"""Sent or not: what a failure says about the request, and which connections requests travel on."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest
from pytest_django import Settings

from eggapi import http
from eggapi.http import HttpFailed, Lost, NotSent, open_session, send
from tests.kit.doors import (
    OK,
    Allow,
    Get,
    Names,
    both_files,
    by_fetch,
    every_way,
    on_session,
)
from tests.kit.loopback import Authority, Loopback, reply, serving

pytestmark = pytest.mark.once  # no database in here


def post(url: str, policy: http.Policy = "operator", timeout: float = 5, cap: int = 1000) -> http.Reply:
    return on_session(lambda session: send(session, "POST", url, json={}, timeout=timeout, cap=cap), policy)


def test_a_refused_connection_is_not_sent() -> None:
    with serving(OK) as server:
        pass
    with pytest.raises(NotSent, match="the connection failed"):
        post(server.url)


@pytest.mark.parametrize(
    "url",
    [
        "http://nowhere.example/",
        "http://" + "a" * 70 + ".example/",
        "http://a..example/",
        "http://2130706433/",
        "http:///path",
        "http://[::1/",
        "http://127.0.0.1:99999/",
        "ftp://127.0.0.1/",
        "nonsense",
        "",
    ],
)
def test_what_cannot_be_dialled_is_not_sent(url: str) -> None:
    with pytest.raises(NotSent):
        post(url)


@contextmanager
def crowding(full: socket.socket) -> Iterator[None]:
    """Fills the queue of a listener that accepts nobody, so that the next connect gets no answer."""
    waiting = [socket.socket() for _ in range(3)]
    for line in waiting:
        line.setblocking(False)
        line.connect_ex(full.getsockname())
    try:
        yield
    finally:
        for line in waiting:
            line.close()


def test_a_port_that_never_answers_is_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        url = f"http://127.0.0.1:{full.getsockname()[1]}/"
        with crowding(full), pytest.raises(NotSent, match="timed out"):
            post(url, timeout=0.5)


def test_a_file_on_a_port_that_never_answers_is_given_up(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        host, port = full.getsockname()
        settings.EGGAPI_PRIVATE_HOSTS_ALLOWED = frozenset({f"{host}:{port}"})
        with crowding(full), pytest.raises(NotSent, match="timed out"):
            by_fetch(f"http://{host}:{port}/", timeout=0.5)


def test_a_connect_has_a_limit_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "CONNECT_SECONDS", 0.3)
    with silent() as server, pytest.raises(NotSent, match="timed out"):
        post(f"https://{server.pair}/", timeout=30)


def silent(until_head: bool = False) -> Loopback:
    def talk(line: socket.socket) -> None:
        if until_head:
            server.head(line)
        server.closing.wait()

    server = Loopback(talk)
    return server


def test_tls_that_fails_is_not_sent(authority: Authority, names: Names, tmp_path: Path) -> None:
    names["receiver.test"] = [["127.0.0.1"]]
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    for tls in (
        authority.server("another.test"),
        authority.server("receiver.test", days=-1),
        Authority(stranger).server("receiver.test"),
    ):
        with serving(OK, tls=tls) as server, pytest.raises(NotSent, match="TLS"):
            post(f"https://receiver.test:{server.port}/")
        assert server.heads == []


def test_a_server_without_tls_is_not_sent_to() -> None:
    def talk(line: socket.socket) -> None:
        line.recv(1000)
        line.sendall(OK)

    with Loopback(talk) as server, pytest.raises(NotSent, match="TLS"):
        post(f"https://{server.pair}/")


def test_a_connection_dropped_in_the_handshake_is_not_sent() -> None:
    with Loopback(lambda line: None) as server, pytest.raises(NotSent):
        post(f"https://{server.pair}/")


@every_way
def test_tls_keeps_the_name(get: Get, authority: Authority, names: Names, allow: Allow) -> None:
    names["receiver.test"] = [["127.0.0.1"]]
    asked: list[str] = []
    tls = authority.server("receiver.test")
    tls.sni_callback = lambda line, name, context: asked.append(name)
    with allow(serving(OK, tls=tls), "receiver.test") as server:
        assert get(f"https://receiver.test:{server.port}/") == b"hello"
    assert asked == ["receiver.test"]
    assert f"Host: receiver.test:{server.port}\r\n" in server.heads[0]


@both_files
def test_a_file_requires_a_certificate_for_the_name(get: Get, authority: Authority, names: Names, allow: Allow) -> None:
    names["receiver.test"] = [["127.0.0.1"]]
    another = serving(OK, tls=authority.server("another.test"))
    with allow(another, "receiver.test") as server, pytest.raises(HttpFailed, match="TLS"):
        get(f"https://receiver.test:{server.port}/")
    assert server.heads == []


def then(*pieces: bytes) -> Loopback:
    """A server that reads the request, says this and hangs up."""

    def talk(line: socket.socket) -> None:
        server.head(line)
        for piece in pieces:
            line.sendall(piece)

    server = Loopback(talk)
    return server


BROKEN = [
    b"",
    b"HTTP/1.1 2",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nX-Big: " + b"x" * 100_000 + b"\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
]


@pytest.mark.parametrize(
    "said", [*BROKEN, b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nContent-Length: 1k\r\n\r\n"]
)
def test_a_reply_that_breaks_off_or_cannot_be_read_is_lost(said: bytes) -> None:
    with then(said) as server, pytest.raises(Lost):
        post(server.url)
    assert server.connections == 1


@both_files
@pytest.mark.parametrize("said", BROKEN)
def test_a_file_that_breaks_off_is_no_file(get: Get, said: bytes, allow: Allow) -> None:
    with allow(then(said)) as server, pytest.raises(HttpFailed):
        get(server.url)
    assert server.connections == 1


def test_silence_after_the_request_is_lost() -> None:
    with silent(until_head=True) as server, pytest.raises(Lost, match="timed out"):
        post(server.url, timeout=0.3)


def test_a_reply_that_is_too_large_is_lost() -> None:
    with serving(reply(bytes(1001))) as server, pytest.raises(Lost, match="too large"):
        post(server.url)


def test_a_reset_after_the_request_is_lost() -> None:
    def talk(line: socket.socket) -> None:
        server.head(line)
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with Loopback(talk) as server, pytest.raises(Lost, match="the connection failed"):
        post(server.url)


def test_a_reply_before_the_request_was_read_counts() -> None:
    """A busy upstream answers 429 without taking the megabytes we have for it."""

    def talk(line: socket.socket) -> None:
        line.recv(1000)
        server.closing.wait(0.3)  # until what is sent fills the pipe
        line.sendall(reply(b"busy", "429 Busy"))
        server.closing.wait()

    with Loopback(talk) as server:
        answer = on_session(
            lambda session: send(session, "POST", server.url, data=bytes(64 << 20), cap=99, timeout=3), "operator"
        )  # on_session returns when no connection is left, so what was not sent must not keep one
    assert (answer.status, answer.body) == (429, b"busy")


def test_a_canceled_request_is_neither() -> None:
    async def cancel(session: aiohttp.ClientSession) -> None:
        task = asyncio.create_task(send(session, "POST", server.url, timeout=9, cap=9))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with silent() as server:
        on_session(cancel, "operator")


@every_way
def test_failures_name_no_address(get: Get, names: Names, allow: Allow) -> None:
    names["receiver.internal"] = [["127.0.0.1"]]
    with allow(serving(OK), "receiver.internal") as server:
        pass
    with pytest.raises(HttpFailed) as failure:
        get(f"http://receiver.internal:{server.port}/")
    assert str(failure.value) == "the connection failed"


@pytest.mark.parametrize(("pooled", "connections"), [(False, 3), (True, 1)])
def test_only_a_pooled_session_keeps_its_connection(pooled: bool, connections: int) -> None:
    async def thrice(session: aiohttp.ClientSession) -> None:
        for _ in range(3):
            await send(session, "POST", server.url, json={"a": "ä"}, cap=99, timeout=5)

    with serving(OK) as server:
        on_session(thrice, "operator", pooled)
    assert server.connections == connections
    assert server.heads[0].endswith('\r\n\r\n{"a":"ä"}')


def test_a_pooled_connection_that_was_dropped_is_lost_for_a_post_and_tried_again_for_a_get() -> None:
    def talk(line: socket.socket) -> None:
        server.head(line)
        line.sendall(OK)
        server.head(line)

    async def twice(session: aiohttp.ClientSession) -> None:
        await send(session, "GET", server.url, cap=99, timeout=5)
        await send(session, "GET", server.url, cap=99, timeout=5)
        with pytest.raises(Lost):
            await send(session, "POST", server.url, cap=99, timeout=5)

    with Loopback(talk) as server:
        on_session(twice, "operator", True)
    assert [head.split()[0] for head in server.heads] == ["GET", "GET", "GET", "POST"]


def test_a_public_session_dials_every_time() -> None:
    with pytest.raises(ValueError):
        open_session("public", pooled=True)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
@pytest.mark.parametrize("pooled", [False, True])
def test_nothing_is_sent_twice_on_fresh_connections(method: str, pooled: bool) -> None:
    with then() as server, pytest.raises(Lost):
        on_session(lambda session: send(session, method, server.url, cap=99, timeout=5), "operator", pooled)
    assert len(server.heads) == 1


def test_a_session_keeps_no_cookies() -> None:
    async def twice(session: aiohttp.ClientSession) -> None:
        for _ in range(2):
            await send(session, "GET", f"http://localhost:{server.port}/", cap=99, timeout=5)

    with serving(reply(b"", Set_Cookie="a=b; Path=/")) as server:
        on_session(twice, "operator", True)
    assert "cookie" not in server.heads[1].lower()


def test_headers_of_a_request_replace_the_sessions() -> None:
    with serving(OK) as server:
        on_session(
            lambda session: send(
                session, "POST", server.url, data=b"{}", headers={"User-Agent": "Hen/1"}, cap=9, timeout=5
            ),
            "operator",
        )
    assert server.heads[0].count("User-Agent: Hen/1\r\n") == server.heads[0].count("User-Agent") == 1
