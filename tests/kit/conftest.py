"""A name server, an operator's list and a certificate authority for the tests of the doors."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from eggapi.fetch import _trusted
from eggapi.http import shared_trust
from tests.kit.doors import Names
from tests.kit.loopback import Authority, Loopback


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """A name server: each name's answers in turn, the last one for ever. What it was asked is in `asked`."""
    book: Names = {"asked": []}
    system = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in book:
            return system(host, port, *args, **kwargs)
        book["asked"].append([host])
        answers = book[host].pop(0) if len(book[host]) > 1 else book[host][0]
        return list(map(told, answers, [port] * len(answers)))

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return book


def told(ip: str, port: int) -> tuple[Any, ...]:
    if ":" in ip:
        return socket.AF_INET6, socket.SOCK_STREAM, 6, "", (ip, port, 0, 0)
    return socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)


@pytest.fixture
def allow(settings: Settings) -> Callable[[Loopback], Loopback]:
    """The operator lists a server."""

    def listed(server: Loopback, host: str = "127.0.0.1") -> Loopback:
        settings.EGGAPI_PRIVATE_HOSTS_ALLOWED |= {f"{host}:{server.port}"}
        return server

    settings.EGGAPI_PRIVATE_HOSTS_ALLOWED = frozenset()
    return listed


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Authority]:
    made = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.file))
    for trust in (_trusted, shared_trust):
        trust.cache_clear()
    yield made
    for trust in (_trusted, shared_trust):
        trust.cache_clear()
