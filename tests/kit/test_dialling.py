"""Whom the two doors dial, and whom they refuse to."""

import io
from pathlib import Path

import aiohttp
import pytest

from eggapi.http import AddressRefused, NotSent, download, send
from tests.kit.doors import (
    OK,
    Allow,
    Get,
    Names,
    by_fetch,
    by_send,
    every_way,
    on_session,
)
from tests.kit.loopback import reply, serving

pytestmark = pytest.mark.once  # no database in here


@every_way
def test_it_works(get: Get, allow: Allow) -> None:
    with allow(serving(OK)) as server:
        assert get(server.url + "a?b=%2F&c=d+e") == b"hello"
    assert server.heads[0].startswith("GET /a?b=%2F&c=d+e HTTP/1.1\r\n")
    assert f"Host: {server.pair}\r\n" in server.heads[0]
    assert "Accept-Encoding: identity\r\n" in server.heads[0]


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


def test_an_answer_is_good_for_one_request(names: Names) -> None:
    """What one request may dial, the next one on the same session may not."""
    names["upstream.internal"] = [["127.0.0.1", "127.0.0.2"]]

    async def twice(session: aiohttp.ClientSession) -> None:
        url = f"http://upstream.internal:{server.port}/"
        await download(session, url, io.BytesIO(), homes=[url], cap=99, timeout=5)
        with pytest.raises(AddressRefused):
            await download(session, url, io.BytesIO(), cap=99, timeout=5)

    with serving(OK) as server:
        on_session(twice)
    assert server.connections == 1


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
        on_session(lambda session: download(session, url, into, homes=[home], cap=99, timeout=5))
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
