"""Ways through the doors of `eggapi.http` and `eggapi.fetch`, all called alike."""

import asyncio
import io
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

import aiohttp
import pytest

from eggapi import http
from eggapi.fetch import fetch
from eggapi.http import download, open_session, send
from tests.kit.loopback import Loopback, reply

T = TypeVar("T")
Names = dict[str, list[list[str]]]
Allow = Callable[..., Loopback]

OK = reply(b"hello", Content_Type="text/plain")
BYE = reply(b"moved", "302 Found", Location="/elsewhere")


def on_session(
    use: Callable[[aiohttp.ClientSession], Awaitable[T]], policy: http.Policy = "public", pooled: bool = False
) -> T:
    async def run() -> T:
        try:
            async with open_session(policy, pooled=pooled) as session:
                return await use(session)
        finally:
            selector: Any = vars(asyncio.get_running_loop())["_selector"]
            while len(selector.get_map()) > 1:  # TLS is still saying goodbye; the one left is the loop's own
                await asyncio.sleep(0.001)

    return asyncio.run(run())


def by_send(url: str, *, cap: int = 1 << 20, timeout: float = 5) -> bytes:
    return on_session(lambda session: send(session, "GET", url, cap=cap, timeout=timeout)).body


def by_download(url: str, *, cap: int = 1 << 20, timeout: float = 5) -> bytes:
    into = io.BytesIO()
    on_session(lambda session: download(session, url, into, cap=cap, timeout=timeout))
    return into.getvalue()


def by_fetch(url: str, *, cap: int = 1 << 20, timeout: float = 5) -> bytes:
    into = io.BytesIO()
    fetch(url, into, cap=cap, timeout=timeout)
    return into.getvalue()


class Get(Protocol):
    """Any way of getting a body through one of the doors."""

    def __call__(self, url: str, *, cap: int = ..., timeout: float = ...) -> bytes: ...


every_way = pytest.mark.parametrize("get", [by_send, by_download, by_fetch])
both_files = pytest.mark.parametrize("get", [by_download, by_fetch])


def drip(server: Loopback, line: socket.socket, piece: bytes, pause: float) -> None:
    while not server.closing.wait(pause):
        line.sendall(piece)


def dripping(start: bytes, piece: bytes = b"x", pause: float = 0.05) -> Loopback:
    """A server that never comes to an end, and never falls silent."""

    def talk(line: socket.socket) -> None:
        server.head(line)
        line.sendall(start)
        drip(server, line, piece, pause)

    server = Loopback(talk)
    return server
