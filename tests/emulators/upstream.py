"""What the emulators of all vendors share: a real HTTP server on loopback that fails on request and counts its bills.

A prompt holds `fault:NAME`; without one the job succeeds. The faults, of which a vendor's file serves
those that can happen there:

* before the job is taken, unbilled: `e503` `e429` (Retry-After 1) `e429-2` `e429-3600` `e429-garbage`
  `refused` `invalid` (a customer's fault the vendor documents) `bad-request` (a 400 nobody documents)
* after it was taken, billed: `e500` `drop` (the connection) `wrong-json` `odd-json` (JSON of other types)
  `huge-json` (50 MB) `drip` (a byte a second)
* while it is worked on: `stuck` `late` (until `release` is set) `flapping` (5xx in between)
  `odd-state` (a state nobody documents, for three polls) `failed` `refused-later`
* in the result: `empty` `bad-bytes` `truncated` `bomb` `slow-file` `expired` `private` (a redirect to a private
  address) `private-url`
"""

import asyncio
import io
import struct
import threading
import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar, Self

from aiohttp import web
from PIL import Image as Pillow

PRIVATE = "http://169.254.169.254/latest/meta-data"
THROTTLES = {"e429": "1", "e429-2": "2", "e429-3600": "3600", "e429-garbage": "soon"}
AFTER_TAKING = {"e500", "drop", "wrong-json", "odd-json", "huge-json", "drip"}
SIDE = {"1k": 1024, "2k": 2048, "4k": 4096}
HUGE = b'{"junk": [' + b'"0123456789abcdef", ' * (50 * 1024 * 1024 // 20) + b'""]}'


@dataclass
class Ask:
    """One submit, as the vendor understood it. `ratio` is "w:h"; `references` counts pictures to edit."""

    model: str
    prompt: str
    images: int = 1
    ratio: str = "1:1"
    resolution: str = "1k"
    references: int = 0
    format: str = "png"
    raw: Any = None
    key: str = ""
    id: str = ""
    polls: int = 0
    faults: dict[str, str] = field(default_factory=dict)

    @property
    def fault(self) -> str:
        words = [word.removeprefix("fault:") for word in self.prompt.split() if word.startswith("fault:")]
        return self.faults.get("fault", (words or [""])[0])


class Upstream:
    """Runs in a thread of its own. `asked` holds every submit, `billed` counts the paid ones per prompt.

    `overrides` replaces what prompts say: {"fault": ""} makes every job well. `release` lets `late` jobs end.
    It listens at `port`, or at any that is free.
    """

    key: ClassVar[str] = "emulator-key-0123456789"
    models: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, port: int = 0) -> None:
        self.asked: list[Ask] = []
        self.jobs: dict[str, Ask] = {}
        self.billed: Counter[str] = Counter()
        self.overrides: dict[str, str] = {}
        self.port = port
        self.release = threading.Event()
        self._ready = threading.Event()

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application(client_max_size=256 * 1024 * 1024)
        app.router.add_get("/files/{id}/{name}", self._file)
        app.add_routes(self.routes())
        runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port)
        await site.start()
        self.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    @property
    def base_url(self) -> str:
        """What a provider row is given; a vendor whose API has a prefix adds it."""
        return self.origin

    # -- what a vendor's own file says -----------------------------------------------------------

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        raise NotImplementedError

    def answer(self, ask: Ask) -> web.StreamResponse:
        """The reply to a submit that was taken: the job, or with a synchronous vendor the pictures."""
        raise NotImplementedError

    def error(self, status: int, ask: Ask | None = None, headers: dict[str, str] | None = None) -> web.Response:
        """The vendor's own error body for 400, 401, 404 (model), 429, 500 and 503."""
        raise NotImplementedError

    def refuse(self, ask: Ask) -> web.Response:
        """A prompt the vendor's safety system turns away."""
        raise NotImplementedError

    def invalid(self, ask: Ask) -> web.Response:
        """A documented fault of the customer's input."""
        raise NotImplementedError

    # -- what all have in common -----------------------------------------------------------------

    async def submitted(self, request: web.Request, ask: Ask) -> web.StreamResponse:
        """Every submit goes through here once the vendor's file has read it."""
        ask.id, ask.faults = f"{len(self.asked)}", self.overrides
        self.asked.append(ask)
        if turned_away := self._turned_away(ask):
            return turned_away
        self.billed[ask.prompt] += ask.images
        ask.id = self.id_of(ask)
        self.jobs[ask.id] = ask
        match ask.fault:
            case "drop":
                request.transport.close()  # type: ignore[union-attr]
                return web.Response()
            case "e500":
                return self.error(500, ask)
            case "wrong-json":
                return web.Response(text="<html>Bad gateway</html>", content_type="text/html")
            case "odd-json":
                return web.json_response([{"data": None, "id": 7, "images": "none"}])
            case "huge-json":
                return web.Response(body=HUGE, content_type="application/json")
            case "drip":
                return await self._drip(request, b'{"slow": "answer"}' * 100, "application/json")
        return self.answer(ask)

    def _turned_away(self, ask: Ask) -> web.Response | None:
        if ask.key != self.key:
            return self.error(401, ask)
        if ask.model not in self.models:
            return self.error(404, ask)
        if ask.fault in THROTTLES:
            return self.error(429, ask, {"Retry-After": THROTTLES[ask.fault]})
        match ask.fault:
            case "e503":
                return self.error(503, ask)
            case "bad-request":
                return self.error(400, ask)
            case "refused":
                return self.refuse(ask)
            case "invalid":
                return self.invalid(ask)
        return None

    def id_of(self, ask: Ask) -> str:
        return f"job{ask.id}"

    def state(self, ask: Ask) -> str:
        """How a job is doing at this poll: `working`, `odd`, `broken` (a 502), `failed`, `refused` or `done`."""
        ask.polls += 1
        match ask.fault:
            case "stuck":
                return "working"
            case "late" if not self.release.is_set():
                return "working"
            case "flapping" if ask.polls < 3:
                return "broken"
            case "odd-state" if ask.polls < 4:
                return "odd"
            case "failed":
                return "failed"
            case "refused-later":
                return "refused"
        return "done" if ask.polls > 1 or ask.fault else "working"

    def urls(self, ask: Ask) -> list[str]:
        """The addresses of a finished job's pictures."""
        if ask.fault == "empty":
            return []
        if ask.fault == "private-url":
            return [PRIVATE]
        return [f"{self.origin}/files/{ask.id}/{index}.{ask.format}" for index in range(ask.images)]

    def pictures(self, ask: Ask) -> list[bytes]:
        """The bytes of a finished job's pictures, as its fault has them."""
        return [] if ask.fault == "empty" else [self._bytes(ask)] * ask.images

    def _bytes(self, ask: Ask) -> bytes:
        match ask.fault:
            case "bad-bytes":
                return b"<html>not a picture</html>"
            case "truncated":
                return self.draw(ask)[:400]
            case "bomb":
                return bomb()
        return self.draw(ask)

    def draw(self, ask: Ask) -> bytes:
        """A good picture, as it was asked for."""
        return picture(ask.ratio, ask.resolution, ask.format)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        ask = self.jobs[request.match_info["id"]]
        if "Mozilla" not in request.headers.get("User-Agent", ""):
            return web.Response(status=403, text="bots are not welcome")
        match ask.fault:
            case "expired":
                return web.Response(status=404, text="expired")
            case "private":
                raise web.HTTPFound(PRIVATE)
            case "slow-file":
                return await self._drip(request, self._bytes(ask), "image/png")
        return web.Response(body=self._bytes(ask), content_type=f"image/{ask.format}")

    async def _drip(self, request: web.Request, body: bytes, content_type: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": content_type, "Content-Length": str(len(body))})
        await response.prepare(request)
        for byte in body:
            if self._stop.is_set():
                break
            await response.write(bytes([byte]))
            await asyncio.sleep(1)
        return response


class Synchronous(Upstream):
    """A vendor that answers a submit with the pictures.

    `stuck` and `late` hold the answer back, `flapping` turns the first two submits of a prompt away.
    """

    async def submitted(self, request: web.Request, ask: Ask) -> web.StreamResponse:
        answer = await super().submitted(request, ask)
        while ask.id in self.jobs and self._holds_back(ask) and not self._stop.is_set():
            await asyncio.sleep(0.02)
        return answer

    def _holds_back(self, ask: Ask) -> bool:
        return ask.fault == "stuck" or (ask.fault == "late" and not self.release.is_set())

    def _turned_away(self, ask: Ask) -> web.Response | None:
        if turned_away := super()._turned_away(ask):
            return turned_away
        submits = sum(other.prompt == ask.prompt for other in self.asked)
        return self.error(503, ask) if ask.fault == "flapping" and submits <= 2 else None


def picture(ratio: str, resolution: str, kind: str = "png") -> bytes:
    """A picture of about the area and exactly the shape that was asked for."""
    wide, high = (int(number) for number in ratio.split(":")) if ":" in ratio else (1, 1)
    unit = SIDE[resolution.lower()] / (wide * high) ** 0.5
    return drawn(round(wide * unit), round(high * unit), kind)


@cache
def drawn(wide: int, high: int, kind: str = "png") -> bytes:
    file = io.BytesIO()
    Pillow.new("RGB", (wide, high), "teal").save(file, "JPEG" if kind in {"jpg", "jpeg"} else kind.upper())
    return file.getvalue()


def bomb(side: int = 30_000) -> bytes:
    """A small PNG that claims so many pixels in width and height."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
