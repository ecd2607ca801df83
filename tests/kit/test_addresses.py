"""Which addresses are public, and which URLs customers may give us."""

import socket
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from eggapi.addresses import BadUrl, check_url, dialable, is_public

pytestmark = pytest.mark.once  # no database in here

PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "168.63.129.15",
    "168.63.129.17",
    "169.253.255.255",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.167.255.255",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "::ffff:8.8.8.8",
    "2001:200::1",
    "2001:db7:ffff::",
    "2001:4860:4860::8888",
    "2003::1",
    "2606:4700:4700::1111",
    "2a00:1450:4001::1",
    "3fff:1000::",
]

NOT_PUBLIC = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.0",
    "10.255.255.255",
    "100.64.0.0",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.255",
    "168.63.129.16",
    "169.254.0.1",
    "169.254.169.254",
    "172.16.0.0",
    "172.31.255.255",
    "192.0.0.0",
    "192.0.0.9",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "198.18.0.0",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.255",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::a9fe:a9fe",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:10.1.2.3",
    "::ffff:a9fe:a9fe",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::8.8.8.8",
    "64:ff9b:1::1",
    "100::1",
    "1fff::1",
    "2001::1",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2001:db8:ffff::1",
    "2002:7f00:1::",
    "2002:808:808::1",
    "3fff::1",
    "3fff:fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00::1",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fe80::1",
    "fe80::1%1",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("ip", PUBLIC)
def test_it_calls_public_addresses_public(ip: str) -> None:
    assert is_public(ip)


@pytest.mark.parametrize("ip", NOT_PUBLIC)
def test_it_rejects_addresses_that_are_not_public(ip: str) -> None:
    assert not is_public(ip)


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "[::1]"])
def test_it_requires_an_address_in_its_usual_form(text: str) -> None:
    with pytest.raises(ValueError):
        is_public(text)


# The same knowledge told the slow way: every block by its registry, each asked one by one.
SPECIAL_V4 = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
]
SPECIAL_V6 = [
    "::/8",
    "100::/8",
    "200::/7",
    "400::/6",
    "800::/5",
    "1000::/4",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "4000::/2",
    "8000::/1",
]


def slowly(address: IPv4Address | IPv6Address) -> bool:
    packed = address.packed
    if len(packed) == 16 and packed[:12] == bytes(10) + b"\xff\xff":
        return slowly(IPv4Address(packed[12:]))
    number = int.from_bytes(packed)
    blocks = [ip_network(block) for block in (SPECIAL_V4 if len(packed) == 4 else SPECIAL_V6)]
    return not any(int(block[0]) <= number <= int(block[-1]) for block in blocks)


def near(blocks: list[str]) -> st.SearchStrategy[int]:
    """Numbers at the edges of blocks, where mistakes live."""
    edges = [int(edge) for block in blocks for edge in (ip_network(block)[0], ip_network(block)[-1])]
    return st.builds(lambda edge, step: edge + step, st.sampled_from(edges), st.integers(-2, 2))


V4 = st.one_of(near(SPECIAL_V4), st.integers(0, 2**32 - 1)).map(lambda n: IPv4Address(n % 2**32))
V6 = st.one_of(
    near(SPECIAL_V6),
    st.integers(0, 2**128 - 1),
    st.integers(0x2000 << 112, 0x4000 << 112),
    V4.map(lambda address: 0xFFFF << 32 | int(address)),
    V4.map(int),
).map(lambda n: IPv6Address(n % 2**128))


@given(st.one_of(V4, V6))
def test_it_agrees_with_a_slow_list(address: IPv4Address | IPv6Address) -> None:
    assert is_public(str(address)) == slowly(address)


@given(V4, st.integers(1, 4), st.sampled_from(["{}", "{:#o}", "{:#x}", "{:#X}"]))
def test_it_rejects_private_addresses_in_any_spelling(address: IPv4Address, parts: int, form: str) -> None:
    numbers = list(address.packed[: parts - 1]) + [int.from_bytes(address.packed[parts - 1 :])]
    host = ".".join(form.format(number).replace("0o", "0") for number in numbers)
    dialled = ip_address(socket.inet_aton(host))  # what a resolver would make of it
    with suppress(BadUrl):
        check_url(f"https://{host}/")
        assert slowly(dialled)


GOOD_URLS = [
    "https://example.com",
    "https://example.com/hook?a=b&c=%20",
    "https://example.com:443/",
    "https://example.com:/",
    "https://example.com:8443/hook",
    "HTTPS://EXAMPLE.COM/",
    "https://example.com./",
    "https://bücher.example/straße",
    "https://xn--bcher-kva.example/",
    "https://under_score.example/",
    "https://localhost.example.com/",
    "https://1.1.1.1/",
    "https://8.8.8.8:8443/",
    "https://[2606:4700:4700::1111]/",
    "https://[::ffff:8.8.8.8]:8443/",
    "https://127.0.0.1.example.com/",
    "https://example.com/?next=http://127.0.0.1/",
    "https://example.com/" + "a" * 2028,
]


@pytest.mark.parametrize("url", GOOD_URLS)
def test_it_accepts_public_https_urls(url: str) -> None:
    check_url(url)


NOT_ALLOWED = "This address is not allowed."
BAD_URLS = [
    ("", "Use an https URL."),
    ("example.com/hook", "Use an https URL."),
    ("//example.com/hook", "Use an https URL."),
    ("http://example.com/", "Use an https URL."),
    ("ftp://example.com/", "Use an https URL."),
    ("file:///etc/passwd", "Use an https URL."),
    ("gopher://127.0.0.1:6379/_FLUSHALL", "Use an https URL."),
    ("data:image/png;base64,iVBORw0KGgo=", "Use an https URL."),
    ("javascript:alert(1)", "Use an https URL."),
    (" https://example.com/", "Use an https URL."),
    ("https://example.com/" + "a" * 2029, "The URL is longer than 2048 characters."),
    ("https://example.com/" + "a" * 10_000, "The URL is longer than 2048 characters."),
    *[
        (f"https://example.com/{character}", "The URL contains a space, a backslash or a control character.")
        for character in (" ", "\\", "\x00", "\t", "\r\nX-Evil: 1", "\x7f", "\x85", "\u2028", "\u00a0", "\ud800")
    ],
    ("https://example.com\\@127.0.0.1/", "The URL contains a space, a backslash or a control character."),
    ("https://127.0.0\u00ad.1/", "The URL contains a space, a backslash or a control character."),
    ("https://example.com/#part", "The URL must not contain a fragment."),
    ("https://example.com/#", "The URL must not contain a fragment."),
    ("https://user@example.com/", "The URL must not contain a user name or a password."),
    ("https://user:word@example.com/", "The URL must not contain a user name or a password."),
    ("https://@example.com/", "The URL must not contain a user name or a password."),
    ("https://127.0.0.1:443@example.com/", "The URL must not contain a user name or a password."),
    ("https:", "The URL has no host."),
    ("https:///hook", "The URL has no host."),
    ("https:example.com/", "The URL has no host."),
    ("https://:443/", "This is not a valid URL."),
    ("https://[::1/", "This is not a valid URL."),
    ("https://[::1]x/", "This is not a valid URL."),
    ("https://[127.0.0.1]/", "This is not a valid URL."),
    ("https://[8.8.8]/", "This is not a valid URL."),
    ("https://[::1%25eth0]/", "This is not a valid URL."),
    ("https://a:b:443/", "This is not a valid URL."),
    ("https://example.com:443:443/", "This is not a valid URL."),
    ("https://example.com:+443/", "This is not a valid URL."),
    ("https://example.com:４４３/", "This is not a valid URL."),
    ("https://example.com:https/", "This is not a valid URL."),
    ("https://example.com℀/", "This is not a valid URL."),
    ("https://.example.com/", "The host is not a valid name."),
    ("https://example..com/", "The host is not a valid name."),
    ("https://exa%6dple.com/", "The host is not a valid name."),
    ("https://127%2e0.0.1/", "The host is not a valid name."),
    ("https://*.example.com/", "The host is not a valid name."),
    ("https://" + "a" * 64 + ".com/", "The host is not a valid name."),
    ("https://" + "a." * 130 + "com/", "The host is not a valid name."),
    *[(f"https://example.com:{port}/", "Use port 443 or 8443.") for port in (0, 22, 25, 80, 5432, 6379, 65535, 99999)],
]


@pytest.mark.parametrize(("url", "sentence"), BAD_URLS)
def test_it_rejects_odd_urls(url: str, sentence: str) -> None:
    with pytest.raises(BadUrl) as failure:
        check_url(url)
    assert str(failure.value) == sentence


PRIVATE_HOSTS = [
    *["localhost", "LOCALHOST", "localhost.", "app.localhost", "printer.local", "metadata.google.internal", "local"],
    *["ⓛocalhost", "localhost。", "ｌｏｃａｌｈｏｓｔ"],
    *["127.0.0.1", "127.0.0.1.", "10.0.0.8", "169.254.169.254", "168.63.129.16", "0.0.0.0"],
    *["0", "127.1", "127.0.1", "2130706433", "0x7f000001", "0X7F000001", "0x7f.1", "017700000001", "0177.0.0.1"],
    *["127.000.000.001", "127.0.0.0x1", "0x", "1.2.3.4.5", "256.256.256.256", "example.0x7f"],
    *["①②⑦.⓪.⓪.①", "127。0。0。1", "１２７.０.０.１", "127．0．0．1", "127｡0｡0｡1", "⓪ⓧ7f000001"],
    *["[::1]", "[::]", "[::127.0.0.1]", "[::ffff:127.0.0.1]", "[::FFFF:7F00:1]", "[0:0:0:0:0:ffff:a9fe:a9fe]"],
    *["[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[fec0::1]", "[fd00:ec2::254]", "[fe80::1]", "[2001:db8::1]"],
]


@pytest.mark.parametrize("host", PRIVATE_HOSTS)
def test_it_rejects_private_hosts_in_any_spelling(host: str) -> None:
    for port in ("", ":443", ":8443"):
        with pytest.raises(BadUrl) as failure:
            check_url(f"https://{host}{port}/hook")
        assert str(failure.value) == NOT_ALLOWED


@pytest.mark.parametrize(
    ("listed", "url"),
    [
        ("127.0.0.1:9000", "http://127.0.0.1:9000/hook"),
        ("127.0.0.1:9000", "https://127.0.0.1:9000/hook"),
        ("receiver.internal:80", "http://receiver.internal/hook"),
        ("receiver.internal:443", "https://receiver.internal/hook"),
        ("Receiver.Internal:8080", "http://RECEIVER.internal.:8080/hook"),
        ("[::1]:9000", "http://[::1]:9000/hook"),
    ],
)
def test_it_accepts_what_the_operator_lists(settings: Settings, listed: str, url: str) -> None:
    settings.EGGAPI_PRIVATE_HOSTS_ALLOWED = frozenset()
    with pytest.raises(BadUrl):
        check_url(url)
    settings.EGGAPI_PRIVATE_HOSTS_ALLOWED = frozenset({listed})
    check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9001/hook",
        "http://127.0.0.1/hook",
        "http://127.0.0.2:9000/hook",
        "http://localhost:9000/hook",
        "http://127.1:9000/hook",
        "http://user@127.0.0.1:9000/hook",
        "http://127.0.0.1:9000/hook#part",
        "ftp://127.0.0.1:9000/hook",
    ],
)
def test_it_rejects_what_is_only_like_the_listed(settings: Settings, url: str) -> None:
    settings.EGGAPI_PRIVATE_HOSTS_ALLOWED = frozenset({"127.0.0.1:9000"})
    with pytest.raises(BadUrl):
        check_url(url)


def test_only_public_addresses_and_listed_hosts_are_dialable(settings: Settings) -> None:
    settings.EGGAPI_PRIVATE_HOSTS_ALLOWED = frozenset({"receiver.internal:9000", "[::1]:9000"})
    assert dialable("example.com", 443, "1.1.1.1")
    assert dialable("receiver.internal", 9000, "10.0.0.8")
    assert dialable("::1", 9000, "::1")
    assert not dialable("example.com", 443, "10.0.0.8")
    assert not dialable("receiver.internal", 443, "10.0.0.8")
    assert not dialable("10.0.0.8", 9000, "10.0.0.8")
