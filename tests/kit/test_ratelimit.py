"""Exactly as many calls pass as the limit says, whoever counts them."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.test import RequestFactory
from pytest_django import Settings

from eggapi import ratelimit
from eggapi.ratelimit import Limit, look, take
from tests.servers import free_port


@pytest.fixture(params=["in process", "redis"])
def counted(request: pytest.FixtureRequest, settings: Settings, redis_url: str) -> str:
    settings.REDIS_URL = "" if request.param == "in process" else redis_url
    return str(request.param)


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    ratelimit.local.clear()
    ratelimit._away_until = 0.0
    yield
    ratelimit._away_until = 0.0


@pytest.mark.usefixtures("counted")
class TestTake:
    def test_it_works(self) -> None:
        limit = Limit(rate=60, per_seconds=3600, burst=3)
        verdicts = [take("works", limit) for _ in range(4)]
        assert [verdict.allowed for verdict in verdicts] == [True, True, True, False]
        assert [verdict.remaining for verdict in verdicts] == [2, 1, 0, 0]
        assert [verdict.retry_after for verdict in verdicts] == pytest.approx([0, 0, 0, 60], abs=30)
        assert [verdict.reset for verdict in verdicts] == pytest.approx([60, 120, 180, 180], abs=30)

    def test_it_lets_exactly_the_limit_pass_under_32_threads(self) -> None:
        limit, start = Limit(20, 3600), threading.Barrier(32)

        def six_calls(_: int) -> int:
            start.wait()
            return sum(take("racing", limit).allowed for _ in range(6))

        with ThreadPoolExecutor(32) as threads:
            assert sum(threads.map(six_calls, range(32))) == 20

    def test_it_counts_every_key_for_itself(self) -> None:
        limit = Limit(1, 60)
        assert take("mine", limit).allowed
        assert not take("mine", limit).allowed
        assert take("yours", limit).allowed

    def test_it_lets_the_next_call_pass_when_its_time_has_come(self) -> None:
        limit = Limit(rate=10, per_seconds=1, burst=1)
        began = time.monotonic()
        assert take("patient", limit).allowed
        assert not take("patient", limit).allowed or time.monotonic() - began >= 0.1
        time.sleep(0.21)
        assert take("patient", limit).allowed

    def test_it_does_not_charge_for_refused_calls(self) -> None:
        limit = Limit(rate=10, per_seconds=1, burst=1)
        assert take("eager", limit).allowed
        until = time.monotonic() + 10
        while not take("eager", limit).allowed:  # if those were charged, for ever
            assert time.monotonic() < until


@pytest.mark.usefixtures("counted")
class TestLook:
    def test_it_works(self) -> None:
        slow, fast = Limit(rate=3, per_seconds=3600), Limit(rate=10, per_seconds=3600, burst=2)
        before = [take("slow", slow) for _ in range(3)][-1]
        take("fast", fast)
        looked = look([("slow", slow), ("fast", fast), ("fresh", fast)])
        assert [verdict.remaining for verdict in looked] == [0, 1, 2]
        assert [verdict.allowed for verdict in looked] == [False, True, True]
        assert looked[0].reset in (before.reset, before.reset - 1)
        assert [verdict.retry_after for verdict in looked][1:] == [0, 0]

    def test_it_counts_nothing(self) -> None:
        limit = Limit(rate=1, per_seconds=3600)
        assert [look([("unseen", limit)])[0].remaining for _ in range(3)] == [1, 1, 1]
        assert take("unseen", limit).allowed

    def test_it_looks_at_nothing(self) -> None:
        assert look([]) == []

    def test_a_limit_that_was_lowered_is_full(self) -> None:
        for _ in range(5):
            take("lowered", Limit(rate=5, per_seconds=3600))
        (verdict,) = look([("lowered", Limit(rate=5, per_seconds=3600, burst=1))])
        assert (verdict.allowed, verdict.remaining) == (False, 0)


class TestWithoutRedis:
    @pytest.fixture(autouse=True)
    def _redis_is_away(self, settings: Settings) -> None:
        settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"

    def test_looking_needs_none(self) -> None:
        limit = Limit(1, 60)
        take("unseen", limit)
        assert [verdict.remaining for verdict in look([("unseen", limit)])] == [0]

    def test_an_open_limit_lets_everything_pass(self) -> None:
        limit = Limit(1, 60, fails_open=True)
        assert [take("read", limit).allowed for _ in range(3)] == [True, True, True]

    def test_any_other_limit_is_counted_in_this_process(self) -> None:
        limit = Limit(2, 60)
        assert [take("write", limit).allowed for _ in range(3)] == [True, True, False]

    def test_it_asks_again_once_redis_is_back(self, settings: Settings, redis_url: str) -> None:
        limit = Limit(1, 60)
        assert take("back", limit).allowed
        assert not take("back", limit).allowed
        settings.REDIS_URL = redis_url
        ratelimit._away_until = 0.0
        assert take("back", limit).allowed


def test_empty_buckets_are_dropped() -> None:
    buckets, limit = ratelimit.Buckets(), Limit(1_000_000, 1, burst=1)
    for number in range(30_000):
        buckets.take(str(number), limit)
    assert len(buckets._empty_at) <= 10_001


class TestClientAddress:
    def of(self, forwarded: str, peer: str = "192.0.2.9") -> str:
        return ratelimit.client_network(RequestFactory().get("/", REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=forwarded))

    def test_without_a_proxy_nothing_the_client_says_is_believed(self) -> None:
        assert self.of("198.51.100.1, 198.51.100.2") == "192.0.2.9"

    @pytest.mark.parametrize(
        ("proxies", "forwarded", "address"),
        [
            (1, "198.51.100.1", "198.51.100.1"),
            (1, "203.0.113.66, 198.51.100.1", "198.51.100.1"),
            (2, "203.0.113.66, 198.51.100.1, 10.0.0.1", "198.51.100.1"),
            (2, "198.51.100.1", "198.51.100.1"),
            (1, "", "192.0.2.9"),
            (1, "203.0.113.66,", "192.0.2.9"),
        ],
    )
    def test_our_proxies_are_believed(self, settings: Settings, proxies: int, forwarded: str, address: str) -> None:
        settings.EGGAPI_TRUSTED_PROXIES = proxies
        assert self.of(forwarded) == address

    def test_one_ipv6_network_is_one_client(self) -> None:
        assert self.of("", "2001:db8:1:2:aaaa::1") == self.of("", "2001:db8:1:2:bbbb::1") == "2001:db8:1:2::"
        assert self.of("", "::ffff:192.0.2.9") == "192.0.2.9"
