"""Waiting for tasks to end: threads that sleep without a database connection, and who wakes them.

`ring` says that tasks have begun or ended, to every process over Redis, or within this one where there is none. A ring
may get lost: once in two seconds each process reads how all the tasks stand that somebody in it waits for.
"""

import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import redis
from django.conf import settings
from django.db import connection
from redis.backoff import NoBackoff
from redis.retry import Retry

from eggapi.envelope import DATABASE_AWAY
from generation.models import TERMINAL, Task

log = logging.getLogger("eggapi.waiting")

CHANNEL = "eggapi:tasks"
LOOK_SECONDS = 2.0
AWAY_SECONDS = 1.0
TIMEOUT_SECONDS = 0.25
LONGEST_WAIT = 60
PREFERENCE = re.compile(r'(?:^|[,;])\s*wait\s*=\s*"?([0-9]{1,6})"?\s*(?=$|[,;])', re.IGNORECASE)
KEPT_FREE = 2

Row = Mapping[str, Any]


def asked(prefer: str) -> int:
    """The seconds in a Prefer header such as "wait=30", at most 60; 0 where it asks for none."""
    found = PREFERENCE.search(prefer)
    return min(int(found[1]), LONGEST_WAIT) if found else 0


# -- seats -----------------------------------------------------------------------------------------


class Seats:
    """How many threads of this process may sleep at a time, so that some are left to work.

    A server that can add threads for those who sleep raises `most` and is told how many they are.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.tell: Callable[[int], None] = lambda taken: None
        self._taken = 0
        self._guard = threading.Lock()

    def take(self) -> bool:
        with self._guard:
            if self._taken >= self.most:
                return False
            self._taken += 1
            self.tell(self._taken)
            return True

    def leave(self) -> None:
        with self._guard:
            self._taken -= 1
            self.tell(self._taken)


seats = Seats(max(1, settings.EGGAPI_THREADS - KEPT_FREE))


# -- the bell --------------------------------------------------------------------------------------


class Bell:
    """Says in every process which tasks have a new status. While Redis is away it says nothing."""

    def __init__(self) -> None:
        self._away_until = 0.0

    def ring(self, task_ids: Iterable[str]) -> None:
        if not settings.REDIS_URL:
            room.call(task_ids)
        elif time.monotonic() >= self._away_until:
            try:
                _client(settings.REDIS_URL).publish(CHANNEL, " ".join(task_ids))
            except redis.RedisError as error:
                self._away_until = time.monotonic() + AWAY_SECONDS
                log.warning("waiters not rung", extra={"error_type": type(error).__name__})


def _connected(url: str) -> redis.Redis:
    # One retry at once, for a pooled connection that Redis has closed; the default waits for seconds.
    return redis.Redis.from_url(
        url,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 1),
        decode_responses=True,
    )


_client = lru_cache(maxsize=1)(_connected)


class Ears:
    """What one thread hears of the bell."""

    def __init__(self) -> None:
        self._client = _connected(settings.REDIS_URL) if settings.REDIS_URL else None
        self._subscription: redis.client.PubSub | None = None
        self._deaf = False

    def hear(self, seconds: float) -> list[str]:
        """The tasks of the next ring within `seconds`, or nothing. A ring within this process needs no ears."""
        if self._client is None:
            time.sleep(seconds)
            return []
        try:
            if self._subscription is None:
                subscription = self._client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
                subscription.subscribe(CHANNEL)
                self._subscription, self._deaf = subscription, False
            message = self._subscription.get_message(timeout=seconds)
        except redis.RedisError as error:
            self._complain(error)
            self._subscription = None
            time.sleep(min(seconds, AWAY_SECONDS))
            return []
        return message["data"].split() if message else []

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
        if self._subscription is not None:
            self._subscription.close()

    def _complain(self, error: redis.RedisError) -> None:
        if not self._deaf:
            self._deaf = True
            log.warning("rings not heard", extra={"error_type": type(error).__name__})


# -- the room --------------------------------------------------------------------------------------


class Watch:
    """One thread's interest in a task whose status it has `seen`."""

    __slots__ = ("news", "seen")

    def __init__(self) -> None:
        self.news = threading.Event()
        self.seen = ""


class Room:
    """All who wait in this process, and the one thread that listens for them; it ends when there is nobody left."""

    def __init__(self) -> None:
        self._watches: dict[str, set[Watch]] = {}
        self._guard = threading.Lock()
        self._listener: threading.Thread | None = None

    @contextmanager
    def watch(self, task_id: str) -> Iterator[Watch]:
        watch = Watch()
        with self._guard:
            self._watches.setdefault(task_id, set()).add(watch)
            if self._listener is None or not self._listener.is_alive():
                self._listener = threading.Thread(target=self._listen, name="waiting", daemon=True)
                self._listener.start()
        try:
            yield watch
        finally:
            with self._guard:
                self._watches[task_id].discard(watch)
                if not self._watches[task_id]:
                    del self._watches[task_id]

    def call(self, task_ids: Iterable[str]) -> None:
        """Wakes those who wait for these tasks."""
        with self._guard:
            called = [watch for task_id in task_ids for watch in self._watches.get(task_id, ())]
        for watch in called:
            watch.news.set()

    def _listen(self) -> None:
        ears = Ears()
        while self._is_wanted():
            until = time.monotonic() + LOOK_SECONDS
            while (left := until - time.monotonic()) > 0:
                self.call(ears.hear(left))
            try:
                self._look()
            except DATABASE_AWAY as error:
                log.warning("cannot look at tasks", extra={"error_type": type(error).__name__})
            finally:
                connection.close()
        ears.close()

    def _is_wanted(self) -> bool:
        """Somebody who comes after a False starts another thread."""
        with self._guard:
            if not self._watches:
                self._listener = None
            return bool(self._watches)

    def _look(self) -> None:
        with self._guard:
            awaited = list(self._watches)
        found = dict(Task.objects.filter(pk__in=awaited).values_list("id", "status"))
        with self._guard:
            stale = [w for task_id, status in found.items() for w in self._watches.get(task_id, ()) if w.seen != status]
        for watch in stale:
            watch.news.set()


room = Room()
ring = Bell().ring


def _renew() -> None:
    """No thread survives a fork."""
    global room
    room = Room()
    _client.cache_clear()


os.register_at_fork(after_in_child=_renew)


# -- waiting ---------------------------------------------------------------------------------------


def follow(task_id: str, read: Callable[[], Row], seconds: float, pulse: float) -> Iterator[Row | None]:
    """The task as `read` gives it, at once and at every change of its status, until it has ended or time is up.

    None whenever `pulse` seconds have passed without news. No connection is held while this sleeps or is suspended.
    """
    until = time.monotonic() + seconds
    with room.watch(task_id) as watch:
        while True:
            watch.news.clear()
            row = read()
            connection.close()
            if row["status"] != watch.seen:
                watch.seen = row["status"]
                yield row
                if watch.seen in TERMINAL:
                    return
            left = until - time.monotonic()
            if left <= 0:
                return
            if not watch.news.wait(min(left, pulse)):
                yield None


def ended(task_id: str, read: Callable[[], Row], seconds: float) -> Row | None:
    """The task once it has ended, None where that takes longer than `seconds`."""
    rows = follow(task_id, read, seconds, pulse=seconds)
    return next((row for row in rows if row and row["status"] in TERMINAL), None)
