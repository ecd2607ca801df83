"""Another EggAPI: tasks to be polled, up to four images each.

docs/ of this project, and https://docs.eggapi.ai/docs/en, read in November 2026, which documents less.

There is no look-up. No list of tasks tells which was ours, and the vendor does not document `Idempotency-Key`: where
the first POST never arrived, or the key means nothing, sending it again would be a second paid request. The key is
sent all the same, and a lost task's webhook still finds us.
"""

from collections.abc import Generator
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import quote

from eggapi import money
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
)

FAST = "nanobanana"
WORKING = {"pending", "processing"}
REFUSED = "Content moderation:"


class EggAPI(Provider):
    """Its documentation shows tasks of 10 to 12 s, and asks for no particular pace of polls."""

    name: ClassVar[str] = "eggapi"
    default_base_url: ClassVar[str] = "https://api.eggapi.ai/v1"
    first_poll: ClassVar[float] = 4.0
    poll_every: ClassVar[float] = 2.0
    poll_backoff: ClassVar[float] = 1.15
    low_balance: ClassVar[Decimal] = Decimal(5)
    calls_back: ClassVar[bool] = True

    def capabilities(self, upstream_model: str) -> Capabilities:
        return Capabilities(
            aspect_ratios=frozenset({"16:9", "9:16"}),
            resolutions=frozenset({"1k"}) if upstream_model == FAST else frozenset({"1k", "2k", "4k"}),
            output_formats=frozenset({"png"}),
            max_references=9,
            images_per_call=4,
        )

    def submit(self, job: Job) -> Generator[Call, Reply, Submitted]:
        reply = yield Call("POST", "/generate", json=_body(job), headers={"Idempotency-Key": job.client_ref})
        if reply.status in {200, 202}:
            return Accepted(reply.json["data"]["id"])
        code, message = reply.said("error", "code"), reply.said("error", "message")
        if reply.status == 429 or code == "SERVICE_UNAVAILABLE":
            return Rejected(Outcome.RETRYABLE, message, retry_after=reply.retry_after)
        if reply.status in {401, 402, 403, 404} or _is_model(reply):
            return Rejected(Outcome.ROUTE_DOWN, f"{reply.status} {code} {message}")
        if reply.status in {400, 413, 415, 422}:
            return Rejected(Outcome.RETRYABLE, message, alarm=f"{reply.status} {code}: {message}")
        raise Unreadable(f"status {reply.status}")

    def poll(self, job: Job, upstream_id: str) -> Generator[Call, Reply, Polled]:
        reply = yield Call("GET", f"/tasks/{quote(upstream_id, safe='')}", timeout=20)
        if reply.said("error", "code") == "NOT_FOUND":
            return Failed(Outcome.NO_IMAGE, "the task is not known")
        if reply.status != 200:
            return Pending(wait=reply.retry_after)
        task = reply.json["data"]
        match task["status"]:
            case "completed":
                return Finished(tuple(Image(url) for url in _urls(task)), cost=_cost(task))
            case "failed":
                error = str(task.get("error"))
                outcome = Outcome.REFUSED if error.startswith(REFUSED) else Outcome.RETRYABLE
                return Failed(outcome, error, cost=_cost(task))
            case status:
                return Pending(alarm="" if status in WORKING else f"unknown state {status}")

    def standing(self) -> Generator[Call, Reply, Standing]:
        """The public EggAPI documents neither address; another one of ours has both."""
        reply = yield Call("GET", "/balance", timeout=20)
        if reply.status in {401, 403}:
            raise BadCredential
        left = money.parse(reply.json["data"]["available"]) if reply.status == 200 else None
        reply = yield Call("GET", "/models", timeout=20)
        names = frozenset(model["id"] for model in reply.json["data"]) if reply.status == 200 else None
        return Standing(names, None if left is None else Decimal(left).scaleb(-6))

    def verified(self, callback: Callback) -> Generator[Call, Reply, str]:
        if self.callback_secret:
            sent = callback.headers.get("X-EggAPI-Timestamp", "")
            mac = signatures.mac(self.callback_secret.encode(), f"{sent}.".encode() + callback.body)
            genuine = signatures.same(f"sha256={mac.hex()}", callback.headers.get("X-EggAPI-Signature", ""))
            if not genuine or not signatures.is_fresh(callback, "X-EggAPI-Timestamp"):
                return ""
        return str(callback.json["task_id"])
        yield


def _body(job: Job) -> dict[str, Any]:
    fields = {
        "model": job.model,
        "prompt": job.prompt,
        "negative_prompt": job.negative_prompt or None,
        "aspect_ratio": job.aspect_ratio,
        "resolution": None if job.model == FAST else job.resolution,
        "num_outputs": job.images,
        "seed": job.seed,
        "image_urls": [reference.url for reference in job.references] or None,
        "webhook_url": job.callback_url or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _is_model(reply: Reply) -> bool:
    """Our `fields` name it; the public EggAPI's validator says "Key: 'GenerateRequest.Model' Error: ..."."""
    return bool(reply.said("error", "fields", "model")) or "'GenerateRequest.Model'" in reply.said("error", "message")


def _urls(task: dict[str, Any]) -> list[str]:
    """Older answers have `url` alone."""
    output = task.get("output") or {}
    return output.get("urls") or [output["url"]] if output else []


def _cost(task: dict[str, Any]) -> int | None:
    """In micro-dollars; a price nobody can read is no reason to lose the pictures."""
    try:
        return money.parse(task["cost"])
    except (KeyError, ValueError, AttributeError):
        return None
