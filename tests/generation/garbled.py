"""Any vendor's emulator with more that can go wrong, in what it says and in the files it gives.

Beside the faults of upstream.py a prompt may hold these, of which the first three bill nothing:

* `again-NAME`: once a 429 with the Retry-After of AGAIN
* `status-N`: turned away with the status N
* `submit-NAME`: the job is taken and billed, and answered with GARBAGE
* `poll-NAME`: so are the first two polls, or all of them where the answer never ends (`drip`, `endless`)
* `file-NAME`: one of FILES in place of the picture
"""

import asyncio
import gzip
import time
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from tests.emulators.upstream import Ask, Upstream, drawn, picture

AGAIN: dict[str, dict[str, str]] = {
    "again-soon": {"Retry-After": "1"},
    "again-garbage": {"Retry-After": "in a minute"},
    "again-negative": {"Retry-After": "-5"},
    "again-unsaid": {},
    "again-tomorrow": {"Retry-After": "86400"},
}
NAMES = ["id", "taskId", "request_id", "status", "state", "code", "data", "output", "images", "promptFeedback"]
NAMES += ["candidates", "choices", "error", "message", "msg", "detail"]


def _all(value: str) -> bytes:
    """An object that has this under every name any vendor uses."""
    return ("{" + ", ".join(f'"{name}": {value}' for name in NAMES) + "}").encode()


# Deeper than a JSON parser goes, and just as deep as it goes, which is deeper than Python prints.
DEEP, NESTED = "[" * 100_000 + "]" * 100_000, "[" * 1010 + "]" * 1010
GARBAGE = {
    "deep": (200, DEEP.encode()),
    "nested": (200, _all(NESTED)),
    "nested-error": (400, _all(NESTED)),
    "nan": (200, _all("NaN")),
    "nothing": (200, b""),
    "arrays": (200, _all("[]")),
    "array": (200, b'[{"id": "1"}, []]'),
}
PNG = picture("16:9", "1k")
FILES: dict[str, Callable[[], web.Response]] = {
    "file-nothing": lambda: web.Response(body=b"", content_type="image/png"),
    "file-mislabelled": lambda: web.Response(body=PNG, content_type="text/html"),
    "file-large": lambda: web.Response(body=PNG.ljust(26 * 1024 * 1024, b"\0"), content_type="image/png"),
    "file-small": lambda: web.Response(body=drawn(500, 280), content_type="image/png"),
    "file-bomb": lambda: web.Response(
        body=gzip.compress(PNG + bytes(200 * 1024 * 1024), 1),
        content_type="image/png",
        headers={"Content-Encoding": "gzip"},
    ),
}
_polled: ContextVar[Ask | None] = ContextVar("polled", default=None)


class Garbled(Upstream):
    """`times` are the seconds at which submits came."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        for route in super().routes():
            assert isinstance(route, web.RouteDef)
            yield web.RouteDef(route.method, route.path, self._meddled(route.handler), route.kwargs)

    def _meddled(self, handler: Any) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            _polled.set(None)
            answer: web.StreamResponse = await handler(request)
            ask = _polled.get()
            name = ask.fault.removeprefix("poll-") if ask and ask.fault.startswith("poll-") else ""
            if name == "drip":
                return await self._drip(request, bytes(1000), "application/json")
            if name == "endless":
                return await self._fifty_megabytes(request)
            return _said(name) if name and ask and ask.polls <= 2 else answer

        return handle

    async def submitted(self, request: web.Request, ask: Ask) -> web.StreamResponse:
        self.times.append(time.monotonic())
        answer = await super().submitted(request, ask)
        name = ask.fault.removeprefix("submit-")
        return answer if name == ask.fault else _said(name)

    def _turned_away(self, ask: Ask) -> web.Response | None:
        if ask.fault in AGAIN and sum(other.prompt == ask.prompt for other in self.asked) == 1:
            return self.error(429, ask, AGAIN[ask.fault])
        if ask.fault.startswith("status-"):
            return self.error(int(ask.fault.removeprefix("status-")), ask)
        return super()._turned_away(ask)

    def state(self, ask: Ask) -> str:
        _polled.set(ask)
        return super().state(ask)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        fault = self.jobs[request.match_info["id"]].fault
        return FILES[fault]() if fault in FILES else await super()._file(request)

    async def _fifty_megabytes(self, request: web.Request) -> web.StreamResponse:
        """Of JSON, no more than a piece of it in memory here."""
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        await response.write(b'{"junk": [0')
        for _ in range(800):
            await response.write(b", 123456" * 8192)
            await asyncio.sleep(0)
        await response.write(b"]}")
        return response


def garbled(emulator: type[Upstream]) -> Garbled:
    made: Garbled = type(f"Garbled{emulator.__name__}", (Garbled, emulator), {})()
    return made


def _said(name: str) -> web.Response:
    status, body = GARBAGE[name]
    return web.Response(status=status, body=body, content_type="application/json")
