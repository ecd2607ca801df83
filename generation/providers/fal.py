"""fal.ai: a queue to be polled, up to four images a job. https://fal.ai/docs, read in November 2026.

What a job cost is never said.
"""

import hashlib
from collections.abc import Generator
from typing import Any, ClassVar
from urllib.parse import quote

from generation.providers import signatures
from generation.providers.base import (
    Accepted,
    Call,
    Callback,
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
    text,
)
from generation.providers.fal_errors import errors_of, fault, in_words

RATIOS = frozenset({"1:1", "9:16", "16:9", "3:4", "4:3", "3:2", "2:3", "5:4", "4:5", "21:9", "auto"})
LARGE = frozenset({"1k", "2k", "4k"})
SIZED = ("-2", "-pro")  # how the names of the models end that have a resolution
ROUTE_DOWN = {401, 402, 403, 404}  # a locked account or an empty balance is a 403
NOT_TAKEN = "runner_scheduling_failure"
SIGNED_HEADERS = ("X-Fal-Webhook-Request-Id", "X-Fal-Webhook-User-Id", "X-Fal-Webhook-Timestamp")


class Fal(Provider):
    """`keys_url` holds the public keys of the vendor's callbacks."""

    name: ClassVar[str] = "fal"
    default_base_url: ClassVar[str] = "https://queue.fal.run"
    keys_url: ClassVar[str] = "https://rest.fal.ai/.well-known/jwks.json"
    calls_back: ClassVar[bool] = True

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Key {self.credential}"}

    def capabilities(self, upstream_model: str) -> Capabilities:
        sized = upstream_model.endswith(SIZED)
        return Capabilities(
            aspect_ratios=RATIOS,
            resolutions=LARGE if sized else frozenset({"1k"}),
            max_references=14 if sized else 10,
            images_per_call=4,
        )

    def submit(self, job: Job) -> Generator[Call, Reply, Submitted]:
        path = f"/{job.model}/edit" if job.references else f"/{job.model}"
        query = {"fal_webhook": job.callback_url} if job.callback_url else {}
        reply = yield Call("POST", path, query=query, json=self._input(job))
        if reply.status in {200, 202}:
            return Accepted(reply.json["request_id"])
        errors = errors_of(reply)
        if reply.status == 429 or (reply.status == 503 and NOT_TAKEN in errors):
            return Rejected(Outcome.RETRYABLE, in_words(errors), retry_after=reply.retry_after)
        if reply.status in ROUTE_DOWN:
            return Rejected(Outcome.ROUTE_DOWN, f"{reply.status} {in_words(errors)}")
        if reply.status in {400, 422}:
            return fault(Rejected, reply, errors)
        raise Unreadable(f"status {reply.status}")

    def poll(self, job: Job, upstream_id: str) -> Generator[Call, Reply, Polled]:
        reply = yield Call("GET", f"{self._path(job, upstream_id)}/status", timeout=20)
        if reply.status == 404:
            return Failed(Outcome.NO_IMAGE, "the job is not known")
        if reply.status not in {200, 202}:
            return Pending(wait=reply.retry_after)
        match reply.json:
            case {"status": "COMPLETED"} as status:
                told = {status.get("error_type") or "": status["error"]} if status.get("error") else {}
                reply = yield Call("GET", self._path(job, upstream_id), timeout=20)
                return _result(reply, told)
            case {"status": "IN_QUEUE" | "IN_PROGRESS"}:
                return Pending()
            case {"status": state}:
                return Pending(alarm=f"unknown state {state}")
        raise Unreadable("no state")

    def cancel(self, job: Job, upstream_id: str) -> Generator[Call, Reply, None]:
        yield Call("PUT", f"{self._path(job, upstream_id)}/cancel", timeout=20)

    def verified(self, callback: Callback) -> Generator[Call, Reply, str]:
        """Any of the published keys may have signed, so that the vendor can change them."""
        if not signatures.is_fresh(callback, SIGNED_HEADERS[-1]):
            return ""
        reply = yield Call("GET", self.keys_url, timeout=20)
        signed = [callback.headers.get(name, "") for name in SIGNED_HEADERS]
        message = "\n".join([*signed, hashlib.sha256(callback.body).hexdigest()]).encode()
        keys = [key.get("x", "") for key in reply.json["keys"]]
        genuine = signatures.is_ed25519(keys, message, callback.headers.get("X-Fal-Webhook-Signature", ""))
        return text(callback.json["request_id"]) if genuine else ""

    def _path(self, job: Job, upstream_id: str) -> str:
        """A job lies under its owner and app, whatever else the submit's path named."""
        return f"/{'/'.join(job.model.split('/')[:2])}/requests/{quote(upstream_id, safe='')}"

    def _input(self, job: Job) -> dict[str, Any]:
        given: dict[str, Any] = {"prompt": job.text, "num_images": job.images, "output_format": job.output_format}
        if job.aspect_ratio != "auto":  # the default of every edit; without a picture there is no such value
            given["aspect_ratio"] = job.aspect_ratio
        if job.model.endswith(SIZED):
            given["resolution"] = job.resolution.upper()
        if job.seed is not None and job.model.endswith("-2"):
            given["seed"] = job.seed
        if job.references:
            given["image_urls"] = [reference.url for reference in job.references]
        return given


def _result(reply: Reply, told: dict[str, str]) -> Polled:
    """`told` is the error that the job's status spoke of, by type."""
    if reply.status == 200 and not told:
        return Finished(tuple(Image(image["url"]) for image in reply.json["images"]))
    errors = told | errors_of(reply)
    if not told and not any(errors) and reply.status not in {400, 404, 422}:
        return Pending(wait=reply.retry_after)  # nothing says that it is the job that failed
    return fault(Failed, reply, errors)
