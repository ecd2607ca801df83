"""A worker process for tests, to be forked: an engine that knows the loopback vendors, and may die at a point."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

# In the order a task comes by them.
DEATHS = (
    "after-claim",
    "before-open",
    "before-call",  # the purchase is committed, the request not sent
    "during-call",  # the request has arrived, the answer has not
    "after-call",  # the vendor has answered, nothing is saved
    "before-end-attempt",
    "after-end-attempt",
    "before-pause",
    "after-pause",
    "before-poll",
    "after-poll",
    "before-download",
    "after-store",
    "before-settle",
    "in-settle",  # everything is written, nothing committed
    "after-settle",  # committed, nobody told
)
IN_THE_MIDDLE = 0.4


def die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(ready: Callable[[], None], death: str) -> None:
    """`death` is one of DEATHS, or empty."""
    from django.conf import settings
    from django.db import transaction

    from eggapi import http
    from generation import engine, route, save, settle, storage
    from generation.providers import ADAPTERS
    from generation.transport import Transport
    from tests.emulators.vendor import Speaks, SpeaksAndFinds, SpeaksOneByOne

    ADAPTERS.update({adapter.name: adapter for adapter in (Speaks, SpeaksAndFinds, SpeaksOneByOne)})
    for adapter in ADAPTERS.values():
        adapter.first_poll = adapter.poll_every = adapter.poll_slowest = 0.05

    def deadly(place: Any, name: str, before: str = "", within: str = "", after: str = "") -> None:
        """Dies before a function, after it in its transaction, or when that has been committed."""
        function: Callable[..., Any] = getattr(place, name)

        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if death == before:
                die()
            result = function(*args, **kwargs)
            if death == within:
                die()
            if death == after and result:
                transaction.on_commit(die)
            return result

        if death and death in (before, within, after):
            setattr(place, name, wrapper)

    converse, fetch, send = Transport.converse, Transport.fetch, http.send

    async def deadly_converse(self: Transport, provider: Any, steps: Any, *, paid: bool) -> Any:
        word = "call" if paid else "poll"
        if death == f"before-{word}":
            die()
        result = await converse(self, provider, steps, paid=paid)
        if death == f"after-{word}":
            die()
        return result

    async def deadly_fetch(self: Transport, *args: Any) -> None:
        if death == "before-download":
            die()
        await fetch(self, *args)

    async def deadly_send(session: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        if death == "during-call" and method == "POST":
            asyncio.get_running_loop().call_later(IN_THE_MIDDLE, die)
        return await send(session, method, *args, **kwargs)

    Transport.converse, Transport.fetch = deadly_converse, deadly_fetch  # type: ignore[assignment, method-assign]
    http.send = deadly_send
    deadly(engine, "_claim", after="after-claim")
    deadly(route, "open_next", before="before-open")
    deadly(save, "end_attempt", before="before-end-attempt", after="after-end-attempt")
    deadly(save, "pause", before="before-pause", after="after-pause")
    deadly(storage, "store", within="after-store")
    deadly(settle, "settle", before="before-settle", within="in-settle", after="after-settle")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    engine.wake()
    ready()
    stop.wait()
    engine.stop(settings.EGGAPI_DRAIN_SECONDS)
