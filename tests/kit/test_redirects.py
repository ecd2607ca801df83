"""Redirects are replies to `send`; files are followed by hand, and every hop is guarded."""

import socket

import pytest

from eggapi.http import AddressRefused, BadStatus, HttpFailed, Lost, send
from tests.kit.doors import (
    BYE,
    OK,
    Allow,
    Get,
    Names,
    both_files,
    by_download,
    by_fetch,
    drip,
    on_session,
)
from tests.kit.loopback import Authority, Loopback, reply, serving

pytestmark = pytest.mark.once  # no database in here


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
