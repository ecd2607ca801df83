"""Whence: the address that the request being answered came from, for what is written down of it."""

from collections.abc import Callable
from contextvars import ContextVar
from ipaddress import IPv6Address, ip_address

from django.http import HttpRequest, HttpResponse

from eggapi.ratelimit import client_ip

_asked: ContextVar[HttpRequest | None] = ContextVar("asked", default=None)


class Whence:
    """Middleware: remembers the request for as long as it is being answered."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        token = _asked.set(request)
        try:
            return self.get_response(request)
        finally:
            _asked.reset(token)


def address() -> str | None:
    """As the outermost of our proxies saw it; None outside of a request, and where a proxy says no address."""
    request = _asked.get()
    try:
        found = ip_address(client_ip(request)) if request else None
    except ValueError:
        return None
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return str(found) if found else None
