"""Rate limits, exact under any number of threads and processes.

GCRA: all that is kept per key is the moment at which its bucket will be empty again. Every call moves
that moment one interval further into the future, and is refused where it would then lie more than a
burst ahead. With Redis one script does this on Redis's own clock; without, one lock in this process.
"""

import logging
import math
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address

import redis
from django.conf import settings
from django.http import HttpRequest
from redis.backoff import NoBackoff
from redis.commands.core import Script
from redis.retry import Retry

log = logging.getLogger("eggapi.ratelimit")

SECOND = 1_000_000  # everything below counts whole microseconds
AWAY_SECONDS = 1.0
TIMEOUT_SECONDS = 0.25

TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, depth = tonumber(ARGV[1]), tonumber(ARGV[2])
local backlog = math.max(tonumber(redis.call('GET', KEYS[1]) or 0) - now, 0)
if backlog + interval > depth then return {0, backlog} end
backlog = backlog + interval
redis.call('SET', KEYS[1], string.format('%.0f', now + backlog), 'PX', math.ceil(backlog / 1000))
return {1, backlog}
"""


@dataclass(frozen=True, slots=True)
class Limit:
    """`rate` calls in `per_seconds`, of which at most `burst` (the whole rate, if 0) at the same moment.

    While Redis is away one that `fails_open` lets everything pass; any other is counted per process.
    """

    rate: int
    per_seconds: int
    burst: int = 0
    name: str = "default"
    fails_open: bool = False

    @property
    def interval(self) -> int:
        """Microseconds that one call costs."""
        return self.per_seconds * SECOND // self.rate

    @property
    def depth(self) -> int:
        """Microseconds that a bucket holds."""
        return self.interval * (self.burst or self.rate)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`remaining` calls would pass now; the next one passes in `retry_after` seconds, a whole burst in `reset`."""

    allowed: bool
    remaining: int
    retry_after: int
    reset: int


def take(key: str, limit: Limit) -> Verdict:
    """Counts one call of `key`; a refused one costs nothing."""
    allowed, backlog = _take_in_redis(key, limit) if settings.REDIS_URL else local.take(key, limit)
    return Verdict(
        allowed=allowed,
        remaining=max(limit.depth - backlog, 0) // limit.interval,
        retry_after=0 if allowed else math.ceil((backlog + limit.interval - limit.depth) / SECOND),
        reset=math.ceil(backlog / SECOND),
    )


def look(calls: Sequence[tuple[str, Limit]]) -> list[Verdict]:
    """How each (key, limit) stands, in one round trip and without counting anything."""
    backlogs = _backlogs([key for key, _ in calls])
    return [_standing(limit, backlog) for (_, limit), backlog in zip(calls, backlogs, strict=True)]


def _standing(limit: Limit, backlog: int) -> Verdict:
    short = max(backlog + limit.interval - limit.depth, 0)
    return Verdict(
        allowed=not short,
        remaining=max(limit.depth - backlog, 0) // limit.interval,
        retry_after=math.ceil(short / SECOND),
        reset=math.ceil(backlog / SECOND),
    )


class Buckets:
    """The same rule for one process. A bucket that has run empty is dropped at some later call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._empty_at: dict[str, int] = {}
        self._tidy_at_size = 10_000

    def take(self, key: str, limit: Limit) -> tuple[bool, int]:
        interval, depth = limit.interval, limit.depth
        with self._lock:
            now = time.monotonic_ns() // 1000
            backlog = max(self._empty_at.get(key, 0) - now, 0)
            if backlog + interval > depth:
                return False, backlog
            self._empty_at[key] = now + backlog + interval
            if len(self._empty_at) > self._tidy_at_size:
                self._tidy(now)
            return True, backlog + interval

    def backlog(self, key: str) -> int:
        with self._lock:
            return max(self._empty_at.get(key, 0) - time.monotonic_ns() // 1000, 0)

    def _tidy(self, now: int) -> None:
        self._empty_at = {key: moment for key, moment in self._empty_at.items() if moment > now}
        self._tidy_at_size = max(10_000, 2 * len(self._empty_at))

    def clear(self) -> None:
        with self._lock:
            self._empty_at.clear()


local = Buckets()
_away_until = 0.0


@lru_cache(maxsize=1)
def _script(url: str) -> Script:
    # One retry at once, for a pooled connection that Redis has closed; the default waits for seconds.
    client = redis.Redis.from_url(
        url,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 1),
    )
    return client.register_script(TAKE)


def _take_in_redis(key: str, limit: Limit) -> tuple[bool, int]:
    global _away_until
    if time.monotonic() >= _away_until:
        try:
            allowed, backlog = _script(settings.REDIS_URL)(keys=[f"limit:{key}"], args=[limit.interval, limit.depth])
            return bool(allowed), backlog
        except redis.RedisError as error:
            # Not asked again for a moment, so that a Redis that hangs does not hold up every request.
            _away_until = time.monotonic() + AWAY_SECONDS
            log.warning("rate limits without redis", extra={"error_type": type(error).__name__})
    return (True, 0) if limit.fails_open else local.take(key, limit)


def _backlogs(keys: Sequence[str]) -> list[int]:
    if settings.REDIS_URL and keys and time.monotonic() >= _away_until:
        try:
            client = _script(settings.REDIS_URL).registered_client
            with client.pipeline(transaction=False) as pipe:
                pipe.time()
                pipe.mget([f"limit:{key}" for key in keys])
                (seconds, micros), moments = pipe.execute()
        except redis.RedisError as error:
            log.warning("rate limits not read", extra={"error_type": type(error).__name__})
        else:
            now = seconds * SECOND + micros
            return [max(int(moment or 0) - now, 0) for moment in moments]
    return [local.backlog(key) for key in keys]


def client_ip(request: HttpRequest) -> str:
    """The address that the outermost of our EGGAPI_TRUSTED_PROXIES saw.

    Each proxy adds the address it was called from at the right of X-Forwarded-For; what stands left of
    ours was written by the client, and with no proxy all of it was.
    """
    peer: str = request.META.get("REMOTE_ADDR", "")
    proxies = settings.EGGAPI_TRUSTED_PROXIES
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
    if not (proxies and forwarded):
        return peer
    hops = [hop.strip() for hop in forwarded.split(",")]
    return hops[-min(proxies, len(hops))] or peer


def client_network(request: HttpRequest) -> str:
    """Whom to count together: an IPv4 address, or the /64 that one IPv6 customer has to himself."""
    text = client_ip(request)
    try:
        address = ip_address(text)
    except ValueError:
        return text[:64]
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or IPv6Network((address, 64), strict=False).network_address)
    return str(address)
