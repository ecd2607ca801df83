"""No reply takes more time or memory than it was given."""

import asyncio
import gzip
import io
import socket
import time
import tracemalloc

import aiohttp
import pytest

from eggapi.fetch import fetch
from eggapi.http import HttpFailed, NotSent, TooLarge, send
from tests.kit.doors import (
    BYE,
    OK,
    Allow,
    Get,
    both_files,
    dripping,
    every_way,
    on_session,
)
from tests.kit.loopback import Loopback, reply, serving

pytestmark = pytest.mark.once  # no database in here


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
        assert 0.3 <= time.monotonic() - began < 5  # the drip goes on for longer than that
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
        assert time.monotonic() - began < 1.4


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


def test_a_slow_large_body_holds_up_no_other() -> None:
    slow = dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + bytes(70_000), b"", 0.01)

    async def run(session: aiohttp.ClientSession) -> None:
        first = asyncio.create_task(send(session, "GET", slow.url, cap=1 << 20, timeout=9))
        await asyncio.sleep(0.2)
        assert len((await send(session, "GET", large.url, cap=1 << 20, timeout=9)).body) == 100_000
        assert not first.done()
        first.cancel()

    with slow, serving(reply(bytes(100_000))) as large:
        on_session(run, "operator")
