"""The door out for threads: pictures that customers name by URL. See `eggapi.http` for what both doors keep."""

import logging
import socket
import threading
import time
from contextlib import closing, suppress
from contextvars import ContextVar
from functools import cache
from typing import Any, BinaryIO, Self
from urllib.parse import urljoin

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from eggapi.addresses import BadUrl, check_url
from eggapi.http import (
    BROWSER,
    CONNECT_SECONDS,
    LARGE,
    REDIRECTS,
    AddressRefused,
    BadStatus,
    HttpFailed,
    NotSent,
    TooLarge,
    in_words,
    refuse_private,
    trust,
)

# It warns of broken headers and quotes the URL, whose query may be a customer's secret.
logging.getLogger("urllib3").setLevel(logging.ERROR)


def fetch(url: str, into: BinaryIO, *, cap: int, timeout: float, redirects: int = 3) -> str:
    """Stream a file a customer named into `into` and return its content type as the server named it.

    Every hop must pass `check_url` and lead to public addresses. `timeout` (seconds) is for all hops; a name
    look-up alone may outlast it, by what the system's resolver allows. `cap` is in decoded bytes. On failure
    `into` may hold a part.
    Raises HttpFailed (AddressRefused, BadStatus, TooLarge); what writing raises is passed on.
    """
    with Watchdog(timeout) as watchdog, closing(GuardedAdapter()) as adapter:
        try:
            for _ in range(redirects + 1):
                check_url(url)
                # The adapter alone: a Session would read the whole body of a redirect, and the environment.
                request = requests.Request("GET", url, BROWSER).prepare()
                # A second more than there is, so that it is always the watchdog that ends it.
                with adapter.send(request, stream=True, timeout=watchdog.left() + 1) as response:
                    watchdog.check()
                    if response.status_code in REDIRECTS:
                        url = urljoin(url, response.headers.get("Location", ""))
                        continue
                    if response.status_code != 200:
                        raise BadStatus(response.status_code)
                    _pour(response, into, cap)
                    watchdog.check()
                    return str(response.headers.get("Content-Type", ""))
        except BadUrl as error:
            raise AddressRefused from error
        except (requests.RequestException, HTTPError, TimeoutError, ValueError) as error:
            raise HttpFailed("timed out" if watchdog.expired else in_words(error)) from error
    raise HttpFailed("too many redirects")


def _pour(response: requests.Response, into: BinaryIO, cap: int) -> None:
    size = 0
    for piece in response.iter_content(LARGE):
        size += len(piece)
        if size > cap:
            raise TooLarge
        into.write(piece)


class Watchdog:
    """Cuts the connection in use when the time is up.

    The timeout of `requests` starts anew with every byte. And a connection cut in the middle of the headers
    looks to `http.client` like their end, so a reply counts only after `check`.
    """

    def __init__(self, seconds: float) -> None:
        self.expired = False
        self._deadline = time.monotonic() + seconds
        self._line: socket.socket | None = None
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._token = _watchdog.set(self)
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        _watchdog.reset(self._token)
        with self._lock:
            self._let_go()

    def left(self) -> float:
        return max(self._deadline - time.monotonic(), 0.001)

    def check(self) -> None:
        if self.expired:
            raise TimeoutError

    def watch(self, sock: socket.socket) -> None:
        """Guard this connection from now on, by a duplicate: TLS takes the original over."""
        with self._lock:
            self._let_go()
            self._line = sock.dup()
        self.check()

    def _let_go(self) -> None:
        if self._line:
            self._line.close()
            self._line = None

    def _cut(self) -> None:
        with self._lock:
            self.expired = True
            if self._line:
                with suppress(OSError):
                    self._line.shutdown(socket.SHUT_RDWR)


_watchdog: ContextVar[Watchdog] = ContextVar("watchdog")


def dial(host: str, port: int) -> socket.socket:
    """Connect to one of the addresses that were checked: there is no second look-up to answer otherwise."""
    watchdog = _watchdog.get()
    try:
        answers = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise NotSent("the host name was not found") from error
    refuse_private(host, port, [str(address[0]) for *_, address in answers])
    failure = OSError("no address")
    for family, kind, protocol, _, address in answers:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(min(watchdog.left(), CONNECT_SECONDS))
            sock.connect(address)
            watchdog.watch(sock)
            return sock
        except OSError as error:
            sock.close()
            failure = error
    raise NotSent(in_words(failure)) from failure


class GuardedHTTPConnection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return dial(self._dns_host, self.port)


class GuardedHTTPSConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return dial(self._dns_host, self.port)


class GuardedHTTPPool(HTTPConnectionPool):
    ConnectionCls = GuardedHTTPConnection


class GuardedHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = GuardedHTTPSConnection


# Read once: it takes longer than many a fetch. Not shared with the other door, as urllib3 adjusts it to its needs.
_trusted = cache(trust)


class GuardedAdapter(HTTPAdapter):
    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        super().init_poolmanager(connections, maxsize, block, ssl_context=_trusted(), **options)
        self.poolmanager.pool_classes_by_scheme = {"http": GuardedHTTPPool, "https": GuardedHTTPSPool}

    def cert_verify(self, *_: object) -> None:
        """Nothing to add: the pool verifies by default, and against authorities read already."""
