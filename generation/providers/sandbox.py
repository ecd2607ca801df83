"""The built-in vendor: real pictures, offline, with magic words for every failure.

Its API is described and answered in `generation.sandbox.upstream`. There are two: "sandbox:a", and
"sandbox:b" which serves where a is told to be busy or flaky.
"""

from collections.abc import Generator
from typing import Any, ClassVar

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
)

SCHEME = "sandbox:"
REJECTIONS = {403: Outcome.REFUSED, 422: Outcome.INVALID, 429: Outcome.RETRYABLE}


class Sandbox(Provider):
    """A job is ready 0.6 to 1.5 seconds after it was taken; a picture is drawn when it is fetched."""

    name: ClassVar[str] = "sandbox"
    default_base_url: ClassVar[str] = SCHEME
    first_poll: ClassVar[float] = 0.8
    poll_every: ClassVar[float] = 0.5
    shortest: ClassVar[float] = 3.0
    poll_backoff: ClassVar[float] = 1.2
    poll_slowest: ClassVar[float] = 3.0
    can_look_up: ClassVar[bool] = True

    def capabilities(self, upstream_model: str) -> Capabilities:
        return Capabilities(resolutions=frozenset({"1k", "2k", "4k"}), max_references=9, images_per_call=4)

    def submit(self, job: Job) -> Generator[Call, Reply, Submitted]:
        reply = yield Call("POST", "/jobs", json=self._body(job))
        if reply.status == 201:
            return Accepted(reply.json["id"])
        if reply.status in REJECTIONS:
            message = reply.json["error"]["message"]
            return Rejected(REJECTIONS[reply.status], message, retry_after=reply.retry_after)
        return Failed(Outcome.UNKNOWN, f"status {reply.status}")

    def poll(self, job: Job, upstream_id: str) -> Generator[Call, Reply, Polled]:
        reply = yield Call("GET", f"/jobs/{upstream_id}")
        if reply.status == 404:
            return Failed(Outcome.NO_IMAGE, "the job is not known")
        match reply.json:
            case {"status": "done", "images": paths}:
                return Finished(tuple(Image(url=SCHEME + path) for path in paths))
            case {"status": "failed", "error": {"message": message}}:
                return Failed(Outcome.RETRYABLE, message)
        return Pending()

    def look_up(self, job: Job) -> Generator[Call, Reply, Accepted | Absent]:
        reply = yield Call("GET", "/jobs", json=self._body(job))
        return Accepted(reply.json["id"]) if reply.status == 200 else Absent()

    def cancel(self, job: Job, upstream_id: str) -> Generator[Call, Reply, None]:
        yield Call("POST", f"/jobs/{upstream_id}/cancel")

    def _body(self, job: Job) -> dict[str, Any]:
        return {
            "sandbox": self.base_url.removeprefix(SCHEME) or "a",
            "client_ref": job.client_ref,
            "model": job.model,
            "prompt": job.prompt,
            "negative_prompt": job.negative_prompt,
            "aspect_ratio": job.aspect_ratio,
            "resolution": job.resolution,
            "output_format": job.output_format,
            "images": job.images,
            "seed": job.seed,
            "references": [{"path": each.path, "content_type": each.content_type} for each in job.references],
        }
