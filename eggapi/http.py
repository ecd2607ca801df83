"""The doors out of this process, of which there are two, and no third.

* Here `send` and `download` (aiohttp, on an event loop): upstreams, result files, webhook receivers.
* In `eggapi.fetch` (requests, in a thread): pictures named by customers.

One rule, `eggapi.addresses.dialable`, is asked where an address is dialled, so neither a literal address
nor a name that changes its answer gets past it. Neither door reads proxies or credentials from the
environment, follows a redirect unasked, repeats a request that may have arrived, or takes more time or
decoded bytes than it was given.
"""

import asyncio.selector_events
import asyncio.sslproto
import io
import socket
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, Literal, NamedTuple
from urllib.parse import urljoin

import aiohttp
import orjson
import requests
from aiohttp.abc import ResolveResult
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from yarl import URL

from eggapi.addresses import dialable

Policy = Literal["public", "operator"]
Origin = tuple[str, int]  # host and port

CONNECT_SECONDS = 10.0
CHUNK = 16 * 1024
LARGE = 64 * 1024
REDIRECTS = {301, 302, 303, 307, 308}
# Some hosts of pictures refuse anything that does not look like a browser.
BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36",
    "Accept": "image/*,*/*;q=0.8",
    "Accept-Encoding": "identity",
}

# asyncio sets 256 KiB aside to read each connection into: with a thousand open, more than all the rest of a worker.
asyncio.sslproto.SSLProtocol.max_size = CHUNK
asyncio.selector_events._SelectorTransport.max_size = CHUNK  # type: ignore[attr-defined]


class HttpFailed(Exception):
    """No usable reply. The text is safe to show to a customer: it names no address and quotes no body."""


class NotSent(HttpFailed):
    """Failed before a single byte of the request left: name, connection or TLS."""


class AddressRefused(NotSent):
    """The host leads to an address that is not public."""

    def __init__(self) -> None:
        super().__init__("the address is not allowed")


class Lost(HttpFailed):
    """Failed after the request may have reached the other side; nobody can say what it did."""


class TooLarge(Lost):
    """The decoded body is larger than the cap."""

    def __init__(self) -> None:
        super().__init__("the reply is too large")


class BadStatus(HttpFailed):
    """A file was asked for and something else than 200 came."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the server answered with status {status}")
        self.status = status


class Reply(NamedTuple):
    """`headers` are case-insensitive; `body` is decoded."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def refuse_private(host: str, port: int, addresses: list[str]) -> None:
    """One private address among public ones condemns them all: nobody honest answers like that."""
    if not all(dialable(host, port, address) for address in addresses):
        raise AddressRefused


def trust() -> ssl.SSLContext:
    """The system's certificate authorities (SSL_CERT_FILE names others) and, as some systems have none, certifi's."""
    context = ssl.create_default_context()
    context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
    return context


# Read once, which takes some 50 ms and a megabyte: aiohttp leaves a context as it is, so all sessions may share one.
shared_trust = cache(trust)


def in_words(error: Exception) -> str:
    match error:
        case TimeoutError() | requests.Timeout():
            return "timed out"
        case aiohttp.ClientConnectorDNSError():
            return "the host name was not found"
        case ssl.SSLError() | aiohttp.ClientSSLError() | requests.exceptions.SSLError():
            return "the certificate or the TLS handshake was not accepted"
        case aiohttp.InvalidURL() | ValueError():
            return "the URL is not valid"
        case _:
            return "the connection failed"


@dataclass
class Trip:
    """One request on its way out: whose origins may be private, and whether it has a connection yet."""

    homes: Sequence[Origin] = ()
    target: Origin = ("", 0)
    connected: bool = False
    fresh: bool = False


# The socket factory is told an address and nothing else; this tells it the rest.
_trip: ContextVar[Trip] = ContextVar("trip")


class GuardedResolver(aiohttp.ThreadedResolver):
    """Sees every answer to a name before any of them is dialled."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        answers = await super().resolve(host, port, family)
        _guard((host, port), [answer["host"] for answer in answers])
        return answers


def guarded_socket(addr_info: aiohttp.AddrInfoType) -> socket.socket:
    """Sees every address dialled, and alone sees the literal ones, which are never resolved."""
    family, kind, protocol, _, address = addr_info
    _guard(_trip.get().target, [str(address[0])])
    return socket.socket(family, kind, protocol)


def _guard(target: Origin, addresses: list[str]) -> None:
    if target not in _trip.get().homes:
        refuse_private(*target, addresses)


def open_session(policy: Policy, *, pooled: bool = False) -> aiohttp.ClientSession:
    """A session for `send` and `download`; call it on the event loop and close it there.

    "public" dials public addresses and the `host:port` pairs the operator admits: receivers of webhooks and
    result files. "operator" dials any address: upstreams an operator configured. Without `pooled` every request
    has a fresh connection, as paid ones must: a POST on a pooled connection the other side is just closing
    cannot be told from one it took. A pooled connection is not dialled again, so "public" cannot be pooled.
    """
    if policy == "public" and pooled:
        raise ValueError("only operator sessions may be pooled")
    guard: dict[str, Any] = {}
    if policy == "public":
        guard = {"resolver": GuardedResolver(), "socket_factory": guarded_socket, "use_dns_cache": False}
    connector = aiohttp.TCPConnector(limit=0, force_close=not pooled, ssl=shared_trust(), **guard)
    trace = aiohttp.TraceConfig()
    trace.on_connection_reuseconn.append(_connected)
    trace.on_connection_create_start.append(_connecting)
    trace.on_connection_create_end.append(_connected_afresh)
    return aiohttp.ClientSession(
        connector=connector,
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": "EggAPI/1", "Accept-Encoding": "identity"},
        timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS),
        trace_configs=[trace],
        read_bufsize=CHUNK,
    )


async def _connected(*_: object) -> None:
    _trip.get().connected = True


async def _connecting(*_: object) -> None:
    """aiohttp repeats a GET, PUT or DELETE whose connection was dropped. Only a pooled one may have been stale."""
    if _trip.get().fresh:
        raise ConnectionResetError("the connection was dropped")


async def _connected_afresh(*_: object) -> None:
    _trip.get().connected = _trip.get().fresh = True


async def send(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    json: Any = None,
    data: bytes | BinaryIO | aiohttp.FormData | None = None,
    timeout: float,
    cap: int,
    cut: bool = False,
) -> Reply:
    """Send one request, once, and read its reply, whatever the status; a redirect is a reply like any other.

    The body is `json`, or `data` as it is (octet-stream unless `headers` say what). `timeout` (seconds)
    bounds everything from the look-up to the last byte; `cap` (bytes) bounds the decoded body: a larger one is
    TooLarge, or with `cut` is read no further. Raises NotSent (AddressRefused) or Lost (TooLarge).
    """
    body = _body(json, data)
    async with _exchange(session, method, url, timeout, headers=headers, data=body) as response:
        return Reply(response.status, response.headers, await _read(response.content, cap, cut))


async def download(
    session: aiohttp.ClientSession,
    url: str,
    into: BinaryIO,
    *,
    homes: Sequence[str] = (),
    cap: int,
    timeout: float,
    redirects: int = 3,
) -> str:
    """Stream a file into `into` and return its content type as the server named it.

    At most `redirects` hops are followed by hand, each dialled through the session's guard. `homes` are base URLs of
    the upstream that named the file: their hosts and ports may be private where nobody else's may. `timeout`
    (seconds) is for all hops, `cap` is in decoded bytes. On failure `into` may hold a part.
    Raises BadStatus, NotSent (AddressRefused) or Lost (TooLarge).
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + timeout
    for _ in range(redirects + 1):
        async with _exchange(session, "GET", url, deadline - clock(), homes, headers=BROWSER) as response:
            if response.status in REDIRECTS:
                url = _next_hop(url, response.headers)
                continue
            if response.status != 200:
                raise BadStatus(response.status)
            size = 0
            while piece := await response.content.read(LARGE):
                size += len(piece)
                if size > cap:
                    raise TooLarge
                into.write(piece)
            return response.content_type
    raise Lost("too many redirects")


def _body(
    json: Any, data: bytes | BinaryIO | aiohttp.FormData | None
) -> aiohttp.Payload | BinaryIO | aiohttp.FormData | None:
    """Written piece by piece: megabytes written at once would hold up everything else on the loop."""
    if json is not None:
        return aiohttp.BytesIOPayload(io.BytesIO(orjson.dumps(json)), content_type="application/json")
    return aiohttp.BytesIOPayload(io.BytesIO(data)) if isinstance(data, bytes) else data


@asynccontextmanager
async def _exchange(
    session: aiohttp.ClientSession, method: str, url: str, seconds: float, homes: Sequence[str] = (), **request: Any
) -> AsyncIterator[aiohttp.ClientResponse]:
    """One request and the reading of its reply, within `seconds`; what goes wrong is NotSent or Lost."""
    trip = Trip(homes=[_origin(URL(home)) for home in homes])
    token = _trip.set(trip)
    try:
        async with asyncio.timeout(seconds):
            target = _as_given(url)
            trip.target = _origin(target)
            response = await session.request(method, target, allow_redirects=False, **request)
            try:
                yield response
            finally:
                _hang_up(response)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise (Lost if trip.connected else NotSent)(in_words(error)) from error
    finally:
        _trip.reset(token)


def _hang_up(response: aiohttp.ClientResponse) -> None:
    """Without waiting for the other side to take what is still unsent. A reply read to its end has let go already."""
    if response.connection and response.connection.transport:
        response.connection.transport.abort()
    response.close()


def _as_given(url: str) -> URL:
    """Quoting a signed URL anew could break its signature; only what cannot stand in a request line is quoted."""
    return URL(url, encoded=url.isascii() and url.isprintable() and " " not in url)


def _origin(url: URL) -> Origin:
    return url.raw_host or "", url.port or 0


def _next_hop(url: str, headers: Mapping[str, str]) -> str:
    target = urljoin(url, headers.get("Location", ""))
    secure = url.startswith("https:")
    if not target.startswith("https://" if secure else ("https://", "http://")):
        raise Lost("the redirect leads nowhere")
    return target


async def _read(stream: aiohttp.StreamReader, cap: int, cut: bool) -> bytes:
    """A large body is on disk until it is whole: a thousand may be on their way, and none of them waits for another."""
    with SpooledTemporaryFile(LARGE) as file:
        size = 0
        while size <= cap and (piece := await stream.read(CHUNK)):
            size += file.write(piece)
        if size > cap and not cut:
            raise TooLarge
        file.seek(0)
        return file.read(min(size, cap))
