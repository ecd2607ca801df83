"""The one thread through which an event loop touches the database."""

import asyncio
import queue
import threading
from typing import Any, TypeVar

from django.db import connection

from eggapi.batch import Batch, run

T = TypeVar("T")
R = TypeVar("R")

MOST_AT_ONCE = 200
IDLE_SECONDS = 2.0


class Desk:
    """Groups the concurrent calls of coroutines into batches, one transaction per batch.

    `await desk.call(save, item)` runs `save([item, ...])` together with whatever else is waiting for
    the same function, and returns what `save` returned for this item. If a batch raises, its items are
    run again one at a time, so that only the one at fault fails.
    """

    def __init__(self, name: str, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: queue.SimpleQueue[tuple[Batch[Any, Any], Any, asyncio.Future[Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=f"{name}-desk", daemon=True)
        self._thread.start()

    def call(self, function: Batch[T, R], item: T) -> "asyncio.Future[R]":
        future: asyncio.Future[R] = self._loop.create_future()
        self._waiting.put((function, item, future))
        return future

    def close(self) -> None:
        """Works off what is waiting, then ends the thread."""
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        open_for_business = True
        while open_for_business:
            calls: dict[Batch[Any, Any], list[tuple[Any, asyncio.Future[Any]]]] = {}
            open_for_business = self._collect(calls)
            for function, waiting in calls.items():
                results = run(function, [item for item, _ in waiting])
                self._loop.call_soon_threadsafe(_resolve, [future for _, future in waiting], results)
        connection.close()

    def _collect(self, calls: dict[Batch[Any, Any], list[tuple[Any, asyncio.Future[Any]]]]) -> bool:
        """Takes what is waiting, grouped by function; False once the desk is to close."""
        try:
            call = self._waiting.get(timeout=IDLE_SECONDS)
        except queue.Empty:
            connection.close()
            return True
        for _ in range(MOST_AT_ONCE):
            if call is None:
                return False
            function, item, future = call
            calls.setdefault(function, []).append((item, future))
            try:
                call = self._waiting.get_nowait()
            except queue.Empty:
                return True
        self._waiting.put(call)
        return True


def _resolve(futures: list[asyncio.Future[Any]], results: list[Any]) -> None:
    for future, result in zip(futures, results, strict=True):
        if future.done():  # its coroutine was canceled
            continue
        if isinstance(result, BaseException):
            future.set_exception(result)
        else:
            future.set_result(result)
