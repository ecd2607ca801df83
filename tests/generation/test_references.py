"""Customers' own pictures, fetched before anything is bought."""

import socket
from collections.abc import Callable, Iterator

import pytest
from pytest_django import Settings

from accounts import opening
from accounts.caller import Caller
from accounts.models import Mode
from billing import ledger
from eggapi.loop import Loop
from generation import references
from generation.models import Route, Task
from generation.submit import submit
from tests.emulators.vendor import Vendor
from tests.generation.conftest import DOLLAR

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def silent(settings: Settings) -> Iterator[str]:
    """A host that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        pair = "127.0.0.1:{1}".format(*server.getsockname())
        settings.EGGAPI_PRIVATE_HOSTS_ALLOWED |= {pair}
        yield f"http://{pair}/"


def test_slow_hosts_of_one_customer_hold_up_no_other(
    alice: Caller,
    vendor: Vendor,
    add_route: Callable[..., Route],
    run: Callable[..., Task],
    engine: Loop[object],
    pictures: Callable[[int], list[str]],
    silent: str,
) -> None:
    add_route(vendor.url)
    mallory = opening.account_of("mallory@example.com")
    ledger.credit(mallory, Mode.LIVE, DOLLAR, reason="test")
    slow = [f"{silent}{index}" for index in range(references.OF_ONE_ACCOUNT)]
    for _ in range(10):
        submit(Caller(mallory.pk, Mode.LIVE), {"model": "nanobanana", "prompt": "an egg", "image_urls": slow})
    engine.wake()
    assert run(alice, "an egg", seconds=5, image_urls=pictures(2)).status == "completed"
