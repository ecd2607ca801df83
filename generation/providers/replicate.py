"""Replicate: predictions to be polled, one image each. https://replicate.com/docs, read in November 2026.

There is no looking up: GET /predictions lists inputs, which all images of a task have in common, but
neither webhooks nor anything else that a prediction could be told by.
"""

import re
from collections.abc import Generator
from typing import Any, ClassVar
from urllib.parse import quote

from generation.providers import signatures
from generation.providers.base import (
    Accepted,
    BadCredential,
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
    Standing,
    Submitted,
    Unreadable,
    text,
)

PRO = "google/nano-banana-pro"
RATIOS = frozenset({"1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"})
LARGE = frozenset({"1k", "2k", "4k"})
WORKING = {"starting", "processing"}
ROUTE_DOWN = {401, 402, 403, 404}
NO_VERSION = "version does not exist"  # comes as a 422
POLICY = ("sensitive", "flagged", "e005")
THROTTLED = re.compile(r"(?:resets in ~|available in )(\d{1,6})")  # "... resets in ~30s.", "... available in 1 second."


class Replicate(Provider):
    """All that is not a submit may be called 3000 times a minute. Pictures go after an hour."""

    name: ClassVar[str] = "replicate"
    default_base_url: ClassVar[str] = "https://api.replicate.com/v1"
    poll_backoff: ClassVar[float] = 1.15
    calls_back: ClassVar[bool] = True

    def capabilities(self, upstream_model: str) -> Capabilities:
        sized = _has_sizes(upstream_model)
        return Capabilities(
            aspect_ratios=RATIOS,
            resolutions=LARGE if sized else frozenset({"1k"}),
            output_formats=frozenset({"png", "jpeg"}),
            max_references=14 if sized else 10,
        )

    def submit(self, job: Job) -> Generator[Call, Reply, Submitted]:
        """Without a `Prefer` header, because a connection that is held open is one more to lose."""
        is_model = "/" in job.model and ":" not in job.model  # else a version: owner/name:id, or the id alone
        path = f"/models/{quote(job.model)}/predictions" if is_model else "/predictions"
        reply = yield Call("POST", path, json=self._body(job) | ({} if is_model else {"version": job.model}))
        if reply.status in {200, 201, 202}:
            return Accepted(reply.json["id"])
        said = f"{reply.status} {reply.said('detail')}"
        if reply.status == 429:
            return Rejected(Outcome.RETRYABLE, said, retry_after=_wait(reply))
        if reply.status in ROUTE_DOWN or (reply.status == 422 and NO_VERSION in said):
            return Rejected(Outcome.ROUTE_DOWN, said)
        if reply.status in {400, 422}:
            refused = _is_policy(said)
            return Rejected(Outcome.REFUSED if refused else Outcome.RETRYABLE, said, alarm="" if refused else said)
        raise Unreadable(f"status {reply.status}")

    def poll(self, job: Job, upstream_id: str) -> Generator[Call, Reply, Polled]:
        reply = yield Call("GET", _path(upstream_id), timeout=20)
        if reply.status == 404:
            return Failed(Outcome.NO_IMAGE, "the prediction is not known")
        if reply.status != 200:
            return Pending(wait=_wait(reply))
        prediction = reply.json
        match prediction["status"]:
            case "succeeded":
                output = prediction.get("output") or ()
                return Finished(tuple(Image(url) for url in ([output] if isinstance(output, str) else output)))
            case "failed":
                error = str(prediction.get("error"))
                return Failed(Outcome.REFUSED if _is_policy(error) else Outcome.RETRYABLE, error)
            case "canceled" | "aborted" as state:
                return Failed(Outcome.RETRYABLE, state)
            case state:
                return Pending(alarm="" if state in WORKING else f"unknown state {state}")

    def cancel(self, job: Job, upstream_id: str) -> Generator[Call, Reply, None]:
        yield Call("POST", f"{_path(upstream_id)}/cancel", timeout=20)

    def standing(self) -> Generator[Call, Reply, Standing]:
        """There is no list of what an account may run, and no balance to be read."""
        reply = yield Call("GET", "/account", timeout=20)
        if reply.status != 200:
            raise BadCredential if reply.status == 401 else Unreadable(f"status {reply.status}")
        return Standing()

    def verified(self, callback: Callback) -> Generator[Call, Reply, str]:
        """Signed as standardwebhooks.com has it. The vendor tells the secret to whoever has the credential."""
        if not signatures.is_fresh(callback, "Webhook-Timestamp"):
            return ""
        secret = self.callback_secret
        if not secret:
            reply = yield Call("GET", "/webhooks/default/secret", timeout=20)
            secret = text(reply.json["key"])
        return text(callback.json["id"]) if signatures.is_standard(callback, secret) else ""

    def _body(self, job: Job) -> dict[str, Any]:
        given: dict[str, Any] = {
            "prompt": job.text,
            "aspect_ratio": job.aspect_ratio,
            "output_format": "jpg" if job.output_format == "jpeg" else "png",
        }
        if job.references:
            given["image_input"] = [reference.url for reference in job.references]
        if _has_sizes(job.model):
            given["resolution"] = job.resolution.upper()
        if job.model.split(":")[0] == PRO:
            given["allow_fallback_model"] = False  # another maker's model would draw when this one is busy
        hook = {"webhook": job.callback_url, "webhook_events_filter": ["completed"]} if job.callback_url else {}
        return {"input": given, **hook}


def _has_sizes(model: str) -> bool:
    """All but the first nano-banana have; of an id alone nobody can tell."""
    return "/" in model and model.split(":")[0] != "google/nano-banana"


def _path(upstream_id: str) -> str:
    return f"/predictions/{quote(upstream_id, safe='')}"


def _wait(reply: Reply) -> float | None:
    """The vendor's own client reads a header, but only the text is documented."""
    told = THROTTLED.search(reply.said("detail"))
    return float(told[1]) if told and reply.retry_after is None else reply.retry_after


def _is_policy(message: str) -> bool:
    return any(word in message.lower() for word in POLICY)
