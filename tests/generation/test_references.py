"""Customers' own pictures, fetched before anything is bought."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Barrier, BrokenBarrierError

import pytest
from pytest_django import Settings

from accounts import opening
from accounts.caller import Caller
from accounts.models import Mode
from billing import ledger
from eggapi.loop import Loop
from generation import references
from generation.models import Route, Task
from generation.providers.base import Reference
from generation.references import BadReference, Fetcher
from generation.submit import submit
from tests.emulators.upstream import bomb
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
    assert run(alice, "an egg", image_urls=pictures(2)).status == "completed"


@pytest.mark.once
def test_a_fetch_that_nobody_waits_for_any_more_is_one_of_its_account_still(monkeypatch: pytest.MonkeyPatch) -> None:
    together, met = Barrier(references.OF_ONE_ACCOUNT + 1), list[str]()

    def wait(_: int, url: str, place: Path) -> Reference:
        with suppress(BrokenBarrierError):
            together.wait(0.5)
            met.append(url)
        return Reference(path=str(place), content_type="image/png", url=url, bytes=1)

    async def fetch(fetcher: Fetcher, number: int) -> None:
        async with fetcher.fetched(Task(account_id=1, image_urls=["http://slow.example/"] * number)) as pictures:
            assert len(pictures) == number

    async def overrun() -> None:
        fetcher = Fetcher()
        late = asyncio.create_task(fetch(fetcher, references.OF_ONE_ACCOUNT))
        while together.n_waiting < references.OF_ONE_ACCOUNT:
            await asyncio.sleep(0.01)
        late.cancel()
        await fetch(fetcher, 1)

    monkeypatch.setattr(references, "_fetch", wait)
    asyncio.run(overrun())
    assert met == []


@pytest.mark.once
def test_a_picture_that_is_too_large_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "_read", lambda account_id, url, into: into.write(bomb(7072)))
    with pytest.raises(BadReference, match=r"^image_urls\[3\]: more than 50 megapixels$"):
        references._fetch(1, "http://large.example/", tmp_path / "3")
