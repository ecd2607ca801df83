"""nananobanana.com: jobs to be polled, one image each. https://docs.nananobanana.com, read in November 2026.

A job is paid in credits when it is taken, and stays paid when it fails or is refused. What an unknown
model is answered with is not documented. The format of the files cannot be chosen.
"""

from collections.abc import Generator
from decimal import Decimal
from typing import Any, ClassVar

from generation.providers.base import (
    Accepted,
    BadCredential,
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
    Standing,
    Submitted,
    Unreadable,
)

RATIOS = frozenset({"1:1", "9:16", "16:9", "3:4", "4:3", "3:2", "2:3", "5:4", "4:5", "21:9", "auto"})
SUFFIXES = {"-2k": "2k", "-4k": "4k"}
ROUTE_DOWN = {401, 402, 403, 404}
NO_ACCESS = {401, 403}
POLICY = ("safety", "policy", "sensitive", "prohibited", "nsfw", "moderation")


class Nananobanana(Provider):
    """The resolution is part of a model's name: nanobanan-2, nanobanan-2-2k and nanobanan-2-4k are three models.

    Not every model has all of them, and each has a price of its own. So a route names the one it buys, and
    nothing is appended here.
    """

    name: ClassVar[str] = "nananobanana"
    default_base_url: ClassVar[str] = "https://www.nananobanana.com/api/v1"
    first_poll: ClassVar[float] = 5.0
    poll_every: ClassVar[float] = 3.0
    low_balance: ClassVar[Decimal] = Decimal(100)

    def capabilities(self, upstream_model: str) -> Capabilities:
        return Capabilities(
            aspect_ratios=RATIOS,
            resolutions=frozenset({SUFFIXES.get(upstream_model[-3:], "1k")}),
            output_formats=frozenset({"png"}),
        )

    def submit(self, job: Job) -> Generator[Call, Reply, Submitted]:
        """Some models finish before they answer, whatever the mode; the vendor advises to wait for 120 s."""
        reply = yield Call("POST", "/generate", json=self._body(job), timeout=120)
        message = reply.said("error")
        if reply.status == 200:
            return _taken(reply)
        if reply.status == 429 or (reply.status == 503 and reply.said("type") == "server_busy"):
            return Rejected(Outcome.RETRYABLE, message, retry_after=reply.retry_after)
        if reply.status in ROUTE_DOWN or (reply.status == 400 and _is_about_model(message)):
            return Rejected(Outcome.ROUTE_DOWN, f"{reply.status} {message}")
        if reply.status in {400, 422}:
            return Rejected(Outcome.RETRYABLE, message, alarm=f"status {reply.status}: {message}")
        raise Unreadable(f"status {reply.status}")

    def poll(self, job: Job, upstream_id: str) -> Generator[Call, Reply, Polled]:
        reply = yield Call("GET", "/generate", query={"id": upstream_id}, timeout=20)
        if reply.status == 404:
            return Failed(Outcome.NO_IMAGE, "the job is not known")
        if reply.status != 200:
            return Pending(wait=reply.retry_after)
        match reply.json["data"]:
            case {"processingStatus": "completed", "outputImageUrls": urls}:
                return Finished(tuple(Image(url) for url in urls or ()))
            case {"processingStatus": "failed"}:
                message = reply.said("data", "errorMessage")
                refused = any(word in message.lower() for word in POLICY)
                return Failed(Outcome.REFUSED if refused else Outcome.RETRYABLE, message)
            case {"processingStatus": state}:
                return Pending(alarm="" if state == "processing" else f"unknown state {state}")
        raise Unreadable("no state")

    def standing(self) -> Generator[Call, Reply, Standing]:
        """The balance is in credits. A 403 says that the account has no access to the API."""
        credits = yield Call("GET", "/credits", timeout=20)
        if credits.status in NO_ACCESS:
            raise BadCredential
        models = yield Call("GET", "/models", timeout=20)
        return Standing(
            frozenset(model["name"] for model in models.json["data"]),
            Decimal(str(credits.json["data"]["credits"])),
        )

    def _body(self, job: Job) -> dict[str, Any]:
        body: dict[str, Any] = {
            "prompt": job.text,
            "selectedModel": job.model,
            "aspectRatio": "default" if job.aspect_ratio == "auto" else job.aspect_ratio,
            "mode": "async",
        }
        if job.references:
            body["referenceImageUrls"] = [reference.url for reference in job.references]
        return body


def _is_about_model(message: str) -> bool:
    """And not about what a request asks of one that is there: others may ask less."""
    return "model" in message.lower() and "support" not in message.lower()


def _taken(reply: Reply) -> Submitted:
    match reply.json:
        case {"success": True, "imageUrls": [_, *_] as urls}:
            return Finished(tuple(Image(url) for url in urls))
        case {"success": True, "generationId": upstream_id}:
            return Accepted(upstream_id)
        case {"success": False, "warning": True}:
            return Failed(Outcome.REFUSED, reply.said("message"))
        case {"success": False}:
            return Failed(Outcome.RETRYABLE, reply.said("message") or reply.said("error"))
    raise Unreadable("neither taken nor turned away")
