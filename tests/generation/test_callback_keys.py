"""Where the keys to callbacks come from, and for how long they are believed."""

import json
import time
from collections.abc import Callable, Iterator

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings

from eggapi import clock, crypto
from generation import callbacks, catalog
from generation.models import Attempt, Purchase, Route, Task
from generation.providers.fal import Fal as FalAdapter
from tests.customer import Answer, Customer
from tests.emulators.fal import Fal
from tests.emulators.replicate import Replicate
from tests.emulators.upstream import Ask
from tests.generation.past import add_task

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.once]

JOB = Ask("", "an egg", id="024ca5b1-45d3-4afd-883e-000000000000", raw={"input": {}})

Sell = Callable[..., Route]


class Counting(Fal):
    """`fetches` counts how often its keys were asked for; while it is `away` in vain."""

    fetches = 0
    away = False

    async def _keys(self, request: web.Request) -> web.StreamResponse:
        self.fetches += 1
        return web.Response(status=503) if self.away else await super()._keys(request)

    def change_keys(self) -> None:
        self._old_key = self._key = Ed25519PrivateKey.generate()


@pytest.fixture(autouse=True)
def public_url(settings: Settings) -> None:
    settings.EGGAPI_PUBLIC_URL = "https://egg.example"


@pytest.fixture
def fal(sell: Sell, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counting]:
    with Counting() as running:
        monkeypatch.setattr(FalAdapter, "keys_url", running.keys_url)
        add_purchase(sell(running, "fal", "fal-ai/nano-banana"))
        yield running


def add_purchase(route: Route) -> None:
    attempt = Attempt.objects.create(
        task=add_task(Customer(mode="live"), "processing"), n=1, route=route, started_at=clock.now()
    )
    Purchase.objects.create(
        client_ref=f"egg_{'a' * 28}",
        attempt=attempt,
        index=0,
        first_image=0,
        images_asked=1,
        state="accepted",
        upstream_id=JOB.id,
        sent_at=clock.now(),
    )


def tell(vendor: Fal | Replicate, forged: str = "") -> int:
    """The status a callback is answered with."""
    purchase = Purchase.objects.get()
    url = callbacks.address(catalog.current().routes[purchase.attempt.route_id].adapter, purchase.pk)
    headers, body = vendor.callback(JOB, forged)
    path = url.removeprefix("https://egg.example")
    answer = Answer(Client().generic("POST", path, body, "application/json", headers=headers))
    assert answer.data if answer.status == 200 else answer.error
    return int(answer.status)


@pytest.fixture
def short_minute(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    monkeypatch.setattr(callbacks, "MINUTE", 3)
    return lambda: time.sleep(3.2)


def test_keys_are_fetched_once(fal: Counting) -> None:
    assert [tell(fal) for _ in range(3)] == [200, 200, 200]
    assert fal.fetches == 1


def test_forgeries_do_not_have_us_fetch_keys(fal: Counting) -> None:
    forgeries = ["key", "body", "user", "key", "stale", "unsigned"]
    assert [tell(fal, forged) for forged in forgeries] == [403] * 6
    assert tell(fal) == 200
    assert [tell(fal, forged) for forged in forgeries] == [403] * 6
    assert fal.fetches == 1


def test_keys_that_proved_right_are_kept(fal: Counting, short_minute: Callable[[], None]) -> None:
    assert tell(fal) == 200
    short_minute()
    fal.away = True
    assert (tell(fal), fal.fetches) == (200, 1)


def test_keys_that_proved_nothing_are_not_kept(fal: Counting, short_minute: Callable[[], None]) -> None:
    assert (tell(fal, "key"), fal.fetches) == (403, 1)
    short_minute()
    assert (tell(fal, "key"), fal.fetches) == (403, 2)


def test_a_vendor_may_change_its_keys(fal: Counting, short_minute: Callable[[], None]) -> None:
    assert tell(fal) == 200
    fal.change_keys()
    assert (tell(fal), fal.fetches) == (403, 1)
    short_minute()
    assert (tell(fal), fal.fetches) == (200, 2)
    assert (tell(fal), fal.fetches) == (200, 2)


def test_without_keys_nothing_can_be_told(fal: Counting) -> None:
    before = Task.objects.get().next_run_at
    fal.away = True
    assert [tell(fal), tell(fal, "key")] == [503, 503]
    assert Task.objects.get().next_run_at == before
    fal.away = False
    assert tell(fal) == 200


def test_a_vendor_out_of_reach_is_503(fal: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FalAdapter, "keys_url", "http://127.0.0.1:9/jwks.json")
    catalog._forget()
    assert tell(fal) == 503


def test_a_dead_cache_is_503(fal: Counting, settings: Settings) -> None:
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:9"}
    }
    assert tell(fal) == 503


def test_a_secret_is_kept_encrypted(sell: Sell) -> None:
    with Replicate() as replicate:
        route = sell(replicate, "replicate", "google/nano-banana")
        add_purchase(route)
        assert tell(replicate) == 200
        kept = cache.get(f"callbacks:{route.provider_id}:/webhooks/default/secret")
        assert replicate.secret not in kept
        assert json.loads(crypto.decrypt(kept)) == {"key": replicate.secret}
        assert (tell(replicate, "key"), tell(replicate)) == (403, 200)
