"""The address of whoever asks, for what is written down of it."""

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from pytest_django import Settings

from eggapi import whence


def seen(peer: str, forwarded: str = "") -> str:
    """What is found while such a request is being answered."""
    view = whence.Whence(lambda request: HttpResponse(str(whence.address())))
    return view(RequestFactory().get("/", REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=forwarded)).text


def test_it_works() -> None:
    assert seen("192.0.2.9", "198.51.100.1") == "192.0.2.9"
    assert whence.address() is None


def test_it_is_what_our_proxy_saw(settings: Settings) -> None:
    settings.EGGAPI_TRUSTED_PROXIES = 1
    assert seen("10.0.0.1", "203.0.113.66, 198.51.100.1") == "198.51.100.1"


@pytest.mark.parametrize(
    ("peer", "found"),
    [("2001:db8::7", "2001:db8::7"), ("::ffff:192.0.2.9", "192.0.2.9"), ("", "None"), ("a socket", "None")],
)
def test_it_is_an_address_or_nothing(peer: str, found: str) -> None:
    assert seen(peer) == found


def test_it_is_forgotten_after_a_crash() -> None:
    def crash(request: HttpRequest) -> HttpResponse:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        whence.Whence(crash)(RequestFactory().get("/"))
    assert whence.address() is None
