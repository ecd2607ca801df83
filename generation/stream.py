"""A task's life as server-sent events, for one reader."""

from collections.abc import Callable, Iterator
from typing import Any

import orjson

from generation import waiting
from generation.models import TERMINAL
from generation.waiting import Row
from webhooks.models import Event

HEARTBEAT_SECONDS = 15.0
GRACE_SECONDS = 30.0  # a task ends by its deadline, or a moment later
HEARTBEAT = b": still here\n\n"
RECONNECT = b"retry: 2000\n"

Describe = Callable[[Row], dict[str, Any]]


class Stream:
    """Iterates over the bytes of the stream of a task; whoever opened it closes it, started or not.

    It holds a seat and sleeps on its reader's thread. It ends with the task, or `seconds` later at the latest.
    """

    def __init__(self, task_id: str, read: Callable[[], Row], describe: Describe, seconds: float) -> None:
        rows = waiting.follow(task_id, read, seconds + GRACE_SECONDS, HEARTBEAT_SECONDS)
        self._parts = _parts(rows, describe)
        self._seated = True

    def __iter__(self) -> Iterator[bytes]:
        return self._parts

    def close(self) -> None:
        self._parts.close()  # type: ignore[attr-defined]  # it is a generator
        if self._seated:
            self._seated = False
            waiting.seats.leave()


def _parts(rows: Iterator[Row | None], describe: Describe) -> Iterator[bytes]:
    for row in rows:
        if row is None:
            yield HEARTBEAT
            continue
        last = _id_line(row["id"]) if row["status"] in TERMINAL else b""
        yield last + RECONNECT + b"event: status\ndata: " + orjson.dumps(describe(row)) + b"\n\n"


def event_id(task_id: str) -> str:
    """The id of the event that told of the task's end; empty before that."""
    told = Event.objects.filter(task_id=task_id).values_list("id", flat=True)
    return told.first() or ""


def _id_line(task_id: str) -> bytes:
    return f"id: {event_id(task_id)}\n".encode()
