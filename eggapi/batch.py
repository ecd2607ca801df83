"""Running a function over a batch in one transaction, without one bad item spoiling the others."""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from django.db import connection, transaction

log = logging.getLogger("eggapi.batch")

T = TypeVar("T")
R = TypeVar("R")
Batch = Callable[[list[T]], Sequence[R]]

MOST_AT_ONCE = 64


def run(function: Batch[T, R], items: list[T]) -> list[R | Exception]:
    """What `function([item, ...])` returned for each item, or the exception it raised.

    All items share a transaction. If it fails, each item is run again in one of its own, unless the database is
    away: all would have to find that out, one after the other.
    """
    try:
        with transaction.atomic():
            return list(function(items))
    except Exception as error:  # returned to whom it concerns, or met again one by one
        is_away = connection.connection is None  # Django itself opens one that broke anew, where it can
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
        if is_away or len(items) == 1:
            return [error for _ in items]
        log.warning("batch failed; running it one by one", extra={"function": function.__qualname__}, exc_info=error)
    return [run(function, [item])[0] for item in items]


class GroupCommit(Generic[T, R]):
    """Calls from many threads, answered after a commit they share.

    The first caller to come runs the batch; those who come while it runs make up the next one. A
    caller's own thread and connection do the work, so there is no thread to start or stop.
    """

    def __init__(self, function: Batch[T, R]) -> None:
        self._function = function
        self._waiting: list[_Call[T]] = []
        self._guard = threading.Lock()
        self._turn = threading.Lock()

    def __call__(self, item: T) -> R:
        call = _Call(item)
        with self._guard:
            self._waiting.append(call)
        while not call.done:
            with self._turn:
                if not call.done:
                    self._run_next()
        if isinstance(call.result, Exception):
            raise call.result
        result: R = call.result
        return result

    def _run_next(self) -> None:
        with self._guard:
            batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
        results = run(self._function, [call.item for call in batch])
        for call, result in zip(batch, results, strict=True):
            call.result, call.done = result, True


class _Call(Generic[T]):
    __slots__ = ("done", "item", "result")

    def __init__(self, item: T) -> None:
        self.item = item
        self.result: Any = None
        self.done = False
