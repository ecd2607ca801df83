"""No receiver makes us dial what we must not, wait for ever or read for ever."""

import gzip
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_django import Settings

from accounts.models import Account
from tests.kit.doors import Allow, Names, dripping
from tests.kit.loopback import Authority, Loopback, reply, serving
from tests.webhooks.conftest import Receive, after_attempt, due_now, post, queue, until
from tests.webhooks.rules import assert_sound
from webhooks import delivery
from webhooks.models import Delivery

ADDRESSES = [
    *["127.0.0.1", "10.0.0.8", "100.64.0.1", "169.254.169.254", "0.0.0.0", "168.63.129.16", "192.168.0.1"],
    *["::1", "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "fec0::1", "fd00:ec2::254"],
]
SECONDS = 2.0


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every address that a socket of this process is told to connect to at the port of https."""
    seen: list[str] = []
    connect = socket.socket.connect

    def watched(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and address[1] == 443:
            seen.append(address[0])
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", watched)
    return seen


@pytest.fixture
def running(account: Account) -> Iterator[Callable[[], None]]:
    """Starts a courier, once the test has prepared the ground."""
    yield delivery.wake
    delivery.stop(0)


@pytest.mark.parametrize("ip", ADDRESSES)
def test_no_private_address_is_dialled(
    account: Account, names: Names, dialled: list[str], running: Callable[[], None], ip: str
) -> None:
    names["receiver.example"] = [[ip]]
    literal = f"[{ip}]" if ":" in ip else ip
    queue(account, "https://receiver.example/hook")
    queue(account, f"https://{literal}/hook")
    running()
    until(lambda: not Delivery.objects.exclude(attempts=1).exists())
    assert set(Delivery.objects.values_list("state", "last_error")) == {("due", "address not allowed")}
    assert dialled == []
    assert_sound()


def test_a_name_that_turns_private_is_refused_when_it_is_dialled(
    account: Account, names: Names, dialled: list[str], settings: Settings, running: Callable[[], None]
) -> None:
    """Public at submit, private at the first attempt; then both in one answer, either way round."""
    names["rebinding.example"] = [["127.0.0.1"], ["8.8.8.8", "169.254.169.254"], ["169.254.169.254", "8.8.8.8"]]
    queue(account, "https://rebinding.example/hook")
    one = Delivery.objects.get()
    running()
    for n in (1, 2, 3):
        after_attempt(one, n)
        assert one.last_error == "address not allowed"
        due_now(one)
    assert len(names["asked"]) >= 3
    assert dialled == []


class TestReplies:
    @pytest.fixture(autouse=True)
    def _impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(delivery, "TOTAL_SECONDS", SECONDS)

    def attempt(self, account: Account, server: Loopback, running: Callable[[], None]) -> tuple[Delivery, float]:
        queue(account, server.url)
        began = time.monotonic()
        running()
        return after_attempt(Delivery.objects.get(), 1), time.monotonic() - began

    @pytest.mark.parametrize(
        "start", [b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"]
    )
    def test_an_endless_one_is_not_read(
        self, account: Account, allow: Allow, running: Callable[[], None], start: bytes
    ) -> None:
        sent: list[int] = []

        def talk(line: socket.socket) -> None:
            server.head(line)
            line.sendall(start)
            while True:
                sent.append(line.send(bytes(65536)))

        server = Loopback(talk)
        with allow(server):
            one, seconds = self.attempt(account, server, running)
        assert (one.state, one.last_status, len(one.log.get().reply)) == ("delivered", 200, 0)
        assert seconds < SECONDS + 10
        assert sum(sent) < 16 << 20  # what the buffers of the kernel took, not what a minute would bring

    def test_a_bomb_is_not_unpacked(self, account: Account, allow: Allow, running: Callable[[], None]) -> None:
        bomb = reply(gzip.compress(b"x" * (64 << 20)), Content_Encoding="gzip")
        with allow(serving(bomb)) as server:
            one, _ = self.attempt(account, server, running)
        assert (one.state, one.log.get().reply) == ("delivered", "x" * 1024)

    @pytest.mark.parametrize(
        ("start", "piece"),
        [
            (b"HTTP/1.1 200 OK\r\n", b"X-More: yes\r\n"),
            (b"HTTP/1.1 200 ", b"O"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", b"x"),
        ],
    )
    def test_a_slow_drip_is_cut(
        self, account: Account, allow: Allow, running: Callable[[], None], start: bytes, piece: bytes
    ) -> None:
        with allow(dripping(start, piece)) as server:
            one, seconds = self.attempt(account, server, running)
        assert (one.state, one.last_error) == ("due", "timeout")
        assert SECONDS <= seconds < SECONDS + 10


def test_an_attempt_has_fifteen_seconds() -> None:
    assert (delivery.TOTAL_SECONDS, delivery.MOST_READ) == (15, 16 * 1024)


def test_a_certificate_must_be_good(
    account: Account, names: Names, allow: Allow, authority: Authority, tmp_path: Any, running: Callable[[], None]
) -> None:
    """For another name, expired, and of an authority nobody knows; there is no second try without."""
    names["receiver.test"] = [["127.0.0.1"]]
    (tmp_path / "stranger").mkdir()
    bad = [authority.server("another.test"), authority.server("receiver.test", days=-1)]
    bad.append(Authority(tmp_path / "stranger").server("receiver.test"))
    running()
    for tls in bad:
        with allow(serving(reply(b"ok"), tls=tls), "receiver.test") as server:
            one = after_attempt(post(account, f"https://receiver.test:{server.port}/"), 1)
        assert (one.last_status, one.last_error) == (None, "certificate or the TLS handshake was not accepted")
        assert (server.heads, server.connections) == ([], 1)


def test_a_good_certificate_is_accepted(
    account: Account, names: Names, allow: Allow, authority: Authority, receive: Receive, running: Callable[[], None]
) -> None:
    names["receiver.test"] = [["127.0.0.1"]]
    queue(account, "")
    running()
    with allow(serving(reply(b"ok"), tls=authority.server("receiver.test")), "receiver.test") as server:
        one = post(account, f"https://receiver.test:{server.port}/")
        assert after_attempt(one, 1).last_status == 200
