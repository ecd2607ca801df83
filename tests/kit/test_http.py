"""The two doors out: whom they refuse to dial, when they give up, and what they say about it."""

import asyncio
import gzip
import io
import socket
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

import aiohttp
import pytest
from pytest_django import Settings

from eggapi import http
from eggapi.fetch import _trusted, fetch
from eggapi.http import AddressRefused, BadStatus, HttpFailed, Lost, NotSent, TooLarge, download, open_session, send
from tests.kit.loopback import Authority, Loopback, reply, serving

pytestmark = pytest.mark.once  # no database in here

T = TypeVar("T")
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

Names = dict[str, list[list[str]]]


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
    _trusted.cache_clear()
    yield made
    _trusted.cache_clear()


Allow = Callable[..., Loopback]


@every_way
def test_it_works(get: Get, allow: Allow) -> None:
    with allow(serving(OK)) as server:
        assert get(server.url + "a?b=%2F&c=d+e") == b"hello"
    assert server.heads[0].startswith("GET /a?b=%2F&c=d+e HTTP/1.1\r\n")
    assert f"Host: {server.pair}\r\n" in server.heads[0]
    assert "Accept-Encoding: identity\r\n" in server.heads[0]


# -- whom they dial --------------------------------------------------------------------------------

REFUSED = [
    *["127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.8", "100.64.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254"],
    *["168.63.129.16", "192.0.0.192", "198.18.0.1", "224.0.0.1", "255.255.255.255"],
    *["::1", "::", "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "fec0::1", "fd00:ec2::254"],
    *["fe80::1", "2001:db8::1", "3fff::1", "5f00::1", "ff02::1"],
]


@pytest.mark.parametrize("get", [by_send, by_fetch])
@pytest.mark.parametrize("ip", REFUSED)
def test_it_rejects_private_addresses_in_a_url_and_behind_a_name(get: Get, ip: str, names: Names, allow: Allow) -> None:
    names["innocent.example"] = [[ip]]
    for host in (f"[{ip}]" if ":" in ip else ip, "innocent.example"):
        with pytest.raises(AddressRefused):
            get(f"https://{host}/")


@every_way
def test_it_rejects_a_server_that_is_there(get: Get, names: Names, allow: Allow) -> None:
    with serving(OK) as server:
        for host in ("127.0.0.1", "[::ffff:127.0.0.1]"):
            with pytest.raises(AddressRefused):
                get(f"http://{host}:{server.port}/")
        for host in ("localhost", "0x7f000001", "017700000001", "127.1", "innocent.example"):
            names[host] = [["127.0.0.1"]]
            with pytest.raises(NotSent):
                get(f"http://{host}:{server.port}/")
    assert server.connections == 0


@every_way
@pytest.mark.parametrize("answer", [["8.8.8.8", "127.0.0.1"], ["127.0.0.1", "8.8.8.8"], ["2606:4700::1", "::1"]])
def test_it_rejects_an_answer_that_is_public_and_private(
    get: Get, answer: list[str], names: Names, allow: Allow
) -> None:
    names["innocent.example"] = [answer]
    with pytest.raises(AddressRefused):
        get("https://innocent.example/")


@every_way
def test_it_dials_what_it_checked_and_never_asks_again(get: Get, names: Names, allow: Allow) -> None:
    names["rebinding.example"] = [["8.8.8.8"], ["127.0.0.1"]]
    with pytest.raises(RuntimeError, match=r"The network is closed in tests: 8\.8\.8\.8"):
        get("https://rebinding.example/")
    assert names["asked"] == [["rebinding.example"]]
    with pytest.raises(AddressRefused):
        get("https://rebinding.example/")


@every_way
def test_it_accepts_a_name_the_operator_lists(get: Get, names: Names, allow: Allow) -> None:
    names["receiver.internal"] = [["127.0.0.1"]]
    with allow(serving(OK), "receiver.internal") as server:
        assert get(f"http://receiver.internal:{server.port}/") == b"hello"
        assert f"Host: receiver.internal:{server.port}\r\n" in server.heads[0]
        names["other.internal"] = [["127.0.0.1"]]
        for host in ("other.internal", "127.0.0.1"):
            with pytest.raises(AddressRefused):
                get(f"http://{host}:{server.port}/")
    assert server.connections == 1


def test_an_operators_session_dials_any_address() -> None:
    with serving(OK) as server:
        answer = on_session(lambda session: send(session, "GET", server.url, cap=9, timeout=5), "operator")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain"
    assert answer.body == b"hello"


@every_way
def test_a_name_that_does_not_exist_is_told(get: Get) -> None:
    with pytest.raises(NotSent, match="the host name was not found"):
        get("https://nowhere.example/")


def test_a_file_may_be_private_at_its_upstreams_own_address() -> None:
    def at(url: str, home: str) -> bytes:
        into = io.BytesIO()
        on_session(lambda session: download(session, url, into, home=home, cap=99, timeout=5))
        return into.getvalue()

    with serving(OK) as stranger, serving(OK, reply(b"", "302 Found", Location=stranger.url)) as upstream:
        assert at(upstream.url, home=f"{upstream.url}v1") == b"hello"
        for url, home in [(upstream.url, upstream.url), (stranger.url, upstream.url), (upstream.url, stranger.url)]:
            with pytest.raises(AddressRefused):
                at(url, home)
    assert (upstream.connections, stranger.connections) == (2, 0)


@every_way
def test_it_ignores_proxies_in_the_environment(get: Get, allow: Allow, monkeypatch: pytest.MonkeyPatch) -> None:
    with allow(serving(OK)) as server, serving(OK) as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert get(server.url) == b"hello"
    assert proxy.connections == 0


@every_way
def test_it_ignores_passwords_in_the_home_folder(
    get: Get, allow: Allow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login someone password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with allow(serving(OK)) as server:
        get(server.url)
    assert "authorization" not in server.heads[0].lower()


# -- redirects -------------------------------------------------------------------------------------


def test_send_takes_a_redirect_for_a_reply(allow: Allow) -> None:
    with allow(serving(OK)) as target, allow(serving(reply(b"gone", "307 Away", Location=target.url))) as server:
        answer = on_session(lambda session: send(session, "POST", server.url, json={}, cap=9, timeout=5))
    assert (answer.status, answer.body, answer.headers["Location"]) == (307, b"gone", target.url)
    assert target.connections == 0


@both_files
def test_a_file_is_followed_by_hand(get: Get, allow: Allow) -> None:
    with allow(serving(OK)) as target, allow(serving(BYE, reply(b"", "301 Away", Location=target.url))) as server:
        assert get(server.url) == b"hello"
    assert server.heads[1].startswith("GET /elsewhere ")


@both_files
def test_a_file_is_not_followed_to_a_private_address(get: Get, allow: Allow) -> None:
    with serving(OK) as target:
        away = allow(serving(reply(b"", "302 Found", Location=target.url)))
        with away as server, pytest.raises(AddressRefused):
            get(server.url)
    assert target.connections == 0


@both_files
@pytest.mark.parametrize("location", ["file:///etc/passwd", "gopher://127.0.0.1/", "data:image/png;base64,AAAA"])
def test_a_file_is_not_followed_out_of_http(get: Get, location: str, allow: Allow) -> None:
    with allow(serving(reply(b"", "302 Found", Location=location))) as server, pytest.raises(HttpFailed):
        get(server.url)


def test_a_result_is_not_followed_from_https_to_http(authority: Authority, names: Names, allow: Allow) -> None:
    names["receiver.test"] = [["127.0.0.1"]]
    with allow(serving(OK)) as target:
        away = serving(reply(b"", "302 Found", Location=target.url), tls=authority.server("receiver.test"))
        with allow(away, "receiver.test") as server, pytest.raises(Lost, match="the redirect leads nowhere"):
            by_download(f"https://receiver.test:{server.port}/")
    assert target.connections == 0


@pytest.mark.parametrize("url", ["http://1.1.1.1/", "https://1.1.1.1:8080/", "https://me@1.1.1.1/", "ftp://1.1.1.1/"])
def test_a_customers_picture_requires_a_url_they_may_give_at_every_hop(url: str, allow: Allow) -> None:
    with pytest.raises(AddressRefused):
        by_fetch(url)
    with allow(serving(reply(b"", "302 Found", Location=url))) as server, pytest.raises(AddressRefused):
        by_fetch(server.url)


@both_files
@pytest.mark.parametrize("answer", [BYE, reply(b"", "302 Found")])
def test_a_file_is_followed_three_times_at_most(get: Get, answer: bytes, allow: Allow) -> None:
    with allow(serving(answer)) as server, pytest.raises(HttpFailed, match="too many redirects"):
        get(server.url)
    assert len(server.heads) == 4


@both_files
def test_the_body_of_a_redirect_is_not_read(get: Get, allow: Allow) -> None:
    def talk(line: socket.socket) -> None:
        server.head(line)
        line.sendall(b"HTTP/1.1 302 Found\r\nLocation: " + target.url.encode() + b"\r\n\r\n")
        drip(server, line, bytes(65536), 0)

    with allow(serving(OK)) as target, allow(Loopback(talk)) as server:
        assert get(server.url, timeout=2) == b"hello"


@both_files
@pytest.mark.parametrize("status", [204, 304, 404, 500])
def test_a_file_requires_status_200(get: Get, status: int, allow: Allow) -> None:
    with allow(serving(reply(b"", f"{status} Odd"))) as server, pytest.raises(BadStatus) as failure:
        get(server.url)
    assert failure.value.status == status


# -- time and size ---------------------------------------------------------------------------------


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


@every_way
@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"HTTP/1.1 200 ", b"O"),
        (b"HTTP/1.1 200 OK\r\n", b"X-More: yes\r\n"),
        (b"HTTP/1.1 200 OK\r\nX-More: ", b"x"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
)
def test_a_slow_drip_is_cut_at_the_deadline(get: Get, start: bytes, piece: bytes, allow: Allow) -> None:
    with allow(dripping(start, piece)) as server:
        began = time.monotonic()
        with pytest.raises(HttpFailed, match="timed out") as failure:
            get(server.url, timeout=0.3)
        assert 0.3 <= time.monotonic() - began < 0.8
    assert not isinstance(failure.value, NotSent)


@both_files
def test_the_deadline_is_for_all_redirects_together(get: Get, allow: Allow) -> None:
    def talk(line: socket.socket) -> None:
        server.head(line)
        server.closing.wait(0.3)
        line.sendall(BYE)

    with allow(Loopback(talk)) as server:
        began = time.monotonic()
        with pytest.raises(HttpFailed, match="timed out"):
            get(server.url, timeout=0.5)
        assert time.monotonic() - began < 1


@every_way
@pytest.mark.parametrize("length", [b"", b"Content-Length: 10000000000\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_an_endless_body_is_read_up_to_the_cap(get: Get, length: bytes, allow: Allow) -> None:
    piece = b"10000\r\n" + bytes(65536) + b"\r\n" if b"chunked" in length else bytes(65536)
    with allow(dripping(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n", piece, 0)) as server, pytest.raises(TooLarge):
        get(server.url, cap=300_000)


@every_way
def test_the_cap_is_exact(get: Get, allow: Allow) -> None:
    for size in (1000, 65536, 65537, 200_000):
        with allow(serving(reply(bytes(size)))) as server:
            assert len(get(server.url, cap=size)) == size
            with pytest.raises(TooLarge):
                get(server.url, cap=size - 1)


@every_way
def test_the_cap_is_on_decoded_bytes(get: Get, allow: Allow) -> None:
    bomb = gzip.compress(bytes(64 << 20))
    with allow(serving(reply(bomb, Content_Encoding="gzip"))) as server:
        tracemalloc.start()
        with pytest.raises(TooLarge):
            get(server.url, cap=1 << 20)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 8 << 20


class FullDisk(io.BytesIO):
    def write(self, _: object) -> int:
        raise OSError("no space left")


def test_a_full_disk_is_no_fault_of_the_picture(allow: Allow) -> None:
    with allow(serving(OK)) as server, pytest.raises(OSError, match="no space left"):
        fetch(server.url, FullDisk(), cap=99, timeout=5)


@every_way
def test_a_body_encoded_unasked_is_decoded(get: Get, allow: Allow) -> None:
    with allow(serving(reply(gzip.compress(b"hello"), Content_Encoding="gzip"))) as server:
        assert get(server.url) == b"hello"


def test_a_body_can_be_cut_instead(allow: Allow) -> None:
    with allow(dripping(b"HTTP/1.1 200 OK\r\n\r\n", b"abcdefgh" * 1000, 0)) as server:
        answer = on_session(lambda session: send(session, "POST", server.url, data=b"x", cap=16, timeout=5, cut=True))
    assert (answer.status, answer.body) == (200, b"abcdefghabcdefgh")


def test_few_large_bodies_are_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one place in the house is taken by a slow large body: others wait, small ones do not."""
    monkeypatch.setattr(http, "LARGE_AT_ONCE", 1)
    slow = dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + bytes(70_000), b"", 0.01)

    async def run(session: aiohttp.ClientSession) -> None:
        first = asyncio.create_task(send(session, "GET", slow.url, cap=1 << 20, timeout=9))
        await asyncio.sleep(0.2)
        second = asyncio.create_task(send(session, "GET", large.url, cap=1 << 20, timeout=9))
        assert (await send(session, "GET", small.url, cap=1 << 20, timeout=9)).body == b"hello"
        await asyncio.sleep(0.2)
        assert not second.done()
        first.cancel()
        assert len((await second).body) == 100_000

    with slow, serving(OK) as small, serving(reply(bytes(100_000))) as large:
        on_session(run, "operator")


# -- sent or not -----------------------------------------------------------------------------------


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
        line.sendall(reply(b"busy", "429 Busy"))
        server.closing.wait()

    async def ask(session: aiohttp.ClientSession) -> http.Reply:
        answer = await send(session, "POST", server.url, data=bytes(8 << 20), cap=99, timeout=3)
        server.closing.set()
        await asyncio.sleep(0.2)  # what was not sent keeps the socket open until the other side is gone
        return answer

    with Loopback(talk) as server:
        answer = on_session(ask, "operator")
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


# -- connections -----------------------------------------------------------------------------------


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
