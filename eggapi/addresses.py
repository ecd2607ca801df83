"""Which addresses customers may make us talk to.

Pure: nothing here looks a name up. `check_url` is the courtesy at submit; the guard is `dialable`,
which both doors of `eggapi.http` ask about every address just before they dial it.
"""

import ipaddress
import re
from urllib.parse import urlsplit

from django.conf import settings

MAX_URL_LENGTH = 2048
DEFAULT_PORTS = {"http": 80, "https": 443}
PORTS = {443, 8443}
PRIVATE_NAMES = {"localhost", "local", "internal"}

# Explicit lists: `ipaddress.is_global` differs between Python releases and lets multicast, translated and
# tunnelled addresses through. IANA special-purpose registries, and one address of a cloud's own.
NOT_PUBLIC_V4 = [
    ipaddress.IPv4Network(block)
    for block in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT, and Alibaba's metadata service
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's host agent
        "169.254.0.0/16",  # link-local: the metadata service of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments, and Oracle's metadata service
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
]
GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")  # everything public lies in here
NOT_PUBLIC_V6 = [
    ipaddress.IPv6Network(block)
    for block in (
        "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: carries any IPv4 address
        "3fff::/20",  # documentation
    )
]

NETLOC = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^\[\]:]+)(?::(?P<port>[0-9]{0,5}))?")
NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


class BadUrl(ValueError):
    """A customer's URL that we will not use; the text is a sentence for the customer."""


NOT_ALLOWED = "This address is not allowed."


def is_public(ip: str) -> bool:
    """Whether an address (a literal, not a name) is on the public internet. ValueError for anything else."""
    address = ipaddress.ip_address(ip)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in block for block in NOT_PUBLIC_V4)
    return address in GLOBAL_V6 and not any(address in block for block in NOT_PUBLIC_V6)


def dialable(host: str, port: int, address: str) -> bool:
    """Whether a connection to `host:port`, which leads to this address, may be opened on a customer's behalf."""
    return is_public(address) or is_admitted(host, port)


def is_admitted(host: str, port: int) -> bool:
    """Whether the operator listed this `host:port` (an IPv6 host in brackets) as one that may be private."""
    name = host.strip("[]").rstrip(".").lower()
    pair = f"[{name}]:{port}" if ":" in name else f"{name}:{port}"
    return pair in {listed.lower() for listed in settings.EGGAPI_PRIVATE_HOSTS_ALLOWED}


def check_url(url: str) -> None:
    """Raise BadUrl unless a customer may give us this URL to call or fetch."""
    if not url.lower().startswith(("https:", "http:")):
        raise BadUrl("Use an https URL.")
    if len(url) > MAX_URL_LENGTH:
        raise BadUrl(f"The URL is longer than {MAX_URL_LENGTH} characters.")
    if not url.isprintable() or " " in url or "\\" in url:
        raise BadUrl("The URL contains a space, a backslash or a control character.")
    if "#" in url:
        raise BadUrl("The URL must not contain a fragment.")
    scheme, host, port = _origin(url)
    if is_admitted(host, port):
        return
    if scheme != "https":
        raise BadUrl("Use an https URL.")
    if port not in PORTS:
        raise BadUrl("Use port 443 or 8443.")
    _check_host(host)


def pair_to_admit(url: str) -> str:
    """host:port of a URL that plainly leads to a private address, for the operator's list; else empty."""
    try:
        _, host, port = _origin(url)
        _check_host(host)
    except BadUrl as error:
        return f"{host}:{port}" if str(error) == NOT_ALLOWED else ""
    return ""


def _origin(url: str) -> tuple[str, str, int]:
    """Scheme, host (IPv6 in brackets) and port."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise BadUrl("This is not a valid URL.") from error
    if "@" in parts.netloc:
        raise BadUrl("The URL must not contain a user name or a password.")
    if not parts.netloc:
        raise BadUrl("The URL has no host.")
    match = NETLOC.fullmatch(parts.netloc)
    if not match:
        raise BadUrl("This is not a valid URL.")
    return parts.scheme, match["host"], int(match["port"] or DEFAULT_PORTS[parts.scheme])


def _check_host(host: str) -> None:
    if host.startswith("["):
        return _check_literal(host[1:-1])
    try:
        # Folds full-width digits, ideographic dots and invisible characters into what a client would dial.
        name = host.encode("idna").decode("ascii").lower().removesuffix(".")
    except UnicodeError as error:
        raise BadUrl("The host is not a valid name.") from error
    if len(name) > 253 or not NAME.fullmatch(name):
        raise BadUrl("The host is not a valid name.")
    last = name.rpartition(".")[2]
    if last in PRIVATE_NAMES:
        raise BadUrl(NOT_ALLOWED)
    if NUMBER.fullmatch(last):
        # No such name exists, but resolvers read 127.1, 0x7f000001, 2130706433 and 0 as addresses.
        _check_literal(name)


def _check_literal(ip: str) -> None:
    """An address in its usual form, and public."""
    try:
        allowed = is_public(ip)
    except ValueError:
        allowed = False
    if not allowed:
        raise BadUrl(NOT_ALLOWED)
