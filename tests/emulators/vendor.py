"""A vendor that is slow, rude or broken on request, on loopback, and counts what it would bill.

A prompt holds `vendor:FAULT`; without one the job succeeds at the first poll. The adapter below speaks
its language and is registered by tests as a provider like any other.
"""

import asyncio
import io
import threading
from collections import Counter
from collections.abc import Generator
from typing import Any, ClassVar, Self

from aiohttp import web
from PIL import Image as Pillow

from generation.providers.base import (
    Absent,
    Accepted,
    Call,
    Capabilities,
    Failed,
    Finished,
    Image,
    Job,
    Outcome,
    Pending,
    Polled,
    Provider,
    Rejected,
    Reply,
    Submitted,
    Unreadable,
)


def _of_one(fault: str, *, is_first: bool) -> str:
    """`one-stuck` is `stuck` for the first job, and no fault for all others."""
    if not fault.startswith("one-"):
        return fault
    return fault.removeprefix("one-") if is_first else "sync" if fault.endswith("-sync") else "ok"


def _png(width: int = 320, height: int = 180) -> bytes:
    file = io.BytesIO()
    Pillow.new("RGB", (width, height), "teal").save(file, "PNG")
    return file.getvalue()


FILES = {"ok.png": _png(), "cut.png": _png()[:200], "page.png": b"<html>not an image</html>", "none.png": b""}


class Vendor:
    """Runs in a thread of its own. `billed` counts accepted jobs per client reference, `seen` every submit.

    `overrides` replace fields of every request: {"fault": "ok"} makes it well whatever the prompt says.
    """

    def __init__(self) -> None:
        self.jobs: dict[str, dict[str, Any]] = {}
        self.billed: Counter[str] = Counter()
        self.seen: list[dict[str, Any]] = []
        self.polls: Counter[str] = Counter()
        self.ready = threading.Event()
        self.release = threading.Event()
        self.overrides: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self.ready.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application()
        app.router.add_post("/jobs", self._submit)
        app.router.add_get("/jobs", self._look_up)
        app.router.add_get("/jobs/{id}", self._poll)
        app.router.add_get("/files/{name}", self._file)
        runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self.ready.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _submit(self, request: web.Request) -> web.StreamResponse:
        body = await request.json() | self.overrides
        self.seen.append(body)
        body["fault"] = fault = _of_one(body["fault"], is_first=not self.jobs)
        if fault in REJECTIONS:
            status, headers = REJECTIONS[fault]
            return web.json_response({"error": fault}, status=status, headers=headers)
        self.billed[body["ref"]] += 1
        job_id = f"job{len(self.jobs)}"
        self.jobs[job_id] = body
        if fault in {"drop", "drop-unseen"}:
            request.transport.close()  # type: ignore[union-attr]
            return web.Response()
        if fault == "e500":
            return web.json_response({"error": "oops"}, status=500)
        if fault == "garbage":
            return web.Response(text="<html>", content_type="text/html")
        if fault in {"hold", "hold-sync"}:
            while not self.release.is_set():
                await asyncio.sleep(0.02)
        if fault in {"sync", "hold-sync"}:
            return web.json_response({"images": self._images(body)})
        return web.json_response({"id": job_id})

    async def _look_up(self, request: web.Request) -> web.Response:
        found = [job_id for job_id, job in self.jobs.items() if job["ref"] == request.query["ref"]]
        if not found or self.jobs[found[0]]["fault"] == "drop-unseen":
            return web.json_response({"error": "no such job"}, status=404)
        return web.json_response({"id": found[0]})

    async def _poll(self, request: web.Request) -> web.Response:
        job_id = request.match_info["id"]
        self.polls[job_id] += 1
        job = self.jobs[job_id]
        match job["fault"]:
            case "stuck":
                return web.json_response({"state": "working"})
            case "late" if not self.release.is_set():
                return web.json_response({"state": "working"})
            case "refused-later":
                return web.json_response({"state": "refused"})
            case "failed":
                return web.json_response({"state": "failed"})
            case "flapping" if self.polls[job_id] < 3:
                return web.Response(status=502, text="bad gateway")
        return web.json_response({"state": "done", "images": self._images(job)})

    def _images(self, job: dict[str, Any]) -> list[str]:
        name = f"{job['fault']}.png" if job["fault"] in {"cut", "page", "none", "gone"} else "ok.png"
        count = {"empty": 0, "fewer": job["images"] - 1, "more": job["images"] + 1}.get(job["fault"], job["images"])
        return [f"{self.url}/files/{name}" for _ in range(count)]

    async def _file(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in FILES:
            return web.Response(status=410)
        return web.Response(body=FILES[name], content_type="image/png")


REJECTIONS = {
    "e503": (503, {}),
    "e429": (429, {"Retry-After": "1"}),
    "e429-long": (429, {"Retry-After": "3600"}),
    "e401": (401, {}),
    "refused": (400, {}),
    "invalid": (422, {}),
    "odd": (409, {}),
}


class Speaks(Provider):
    """The vendor's adapter."""

    name: ClassVar[str] = "vendor"
    first_poll: ClassVar[float] = 0.05
    poll_every: ClassVar[float] = 0.05
    shortest: ClassVar[float] = 3.0
    images_per_call: ClassVar[int] = 4

    def capabilities(self, upstream_model: str) -> Capabilities:
        return Capabilities(images_per_call=self.images_per_call)

    def submit(self, job: Job) -> Generator[Call, Reply, Submitted]:
        words = [word.removeprefix("vendor:") for word in job.prompt.split() if word.startswith("vendor:")]
        body = {"ref": job.client_ref, "images": job.images, "fault": (words or ["ok"])[0]}
        body |= {"model": job.model, "prompt": job.prompt}
        reply = yield Call("POST", "/jobs", json=body)
        match reply.status:
            case 429 | 503:
                return Rejected(Outcome.RETRYABLE, "busy", retry_after=reply.retry_after)
            case 401:
                return Rejected(Outcome.ROUTE_DOWN, "bad credential")
            case 400:
                return Rejected(Outcome.REFUSED, "prompt contains prohibited content")
            case 422:
                return Rejected(Outcome.INVALID, "the picture is too small")
            case 409:
                return Rejected(Outcome.RETRYABLE, "no idea", alarm="status 409: no idea")
            case 200 if "images" in reply.json:
                return Finished(tuple(Image(url) for url in reply.json["images"]))
            case 200:
                return Accepted(reply.json["id"])
        raise Unreadable(f"status {reply.status}")

    def poll(self, job: Job, upstream_id: str) -> Generator[Call, Reply, Polled]:
        reply = yield Call("GET", f"/jobs/{upstream_id}", timeout=5)
        if reply.status != 200 or reply.json["state"] == "working":
            return Pending()
        match reply.json["state"]:
            case "refused":
                return Failed(Outcome.REFUSED, "image contains prohibited content")
            case "failed":
                return Failed(Outcome.RETRYABLE, "generation failed")
        return Finished(tuple(Image(url) for url in reply.json["images"]))


class SpeaksAndFinds(Speaks):
    """The same vendor, where it can be asked for a job by our own reference."""

    name: ClassVar[str] = "vendor-with-look-up"
    can_look_up: ClassVar[bool] = True

    def look_up(self, job: Job) -> Generator[Call, Reply, Accepted | Absent]:
        reply = yield Call("GET", "/jobs", query={"ref": job.client_ref}, timeout=5)
        return Accepted(reply.json["id"]) if reply.status == 200 else Absent()


class SpeaksOneByOne(Speaks):
    """The same vendor, one image a call."""

    name: ClassVar[str] = "vendor-one-by-one"
    images_per_call: ClassVar[int] = 1
