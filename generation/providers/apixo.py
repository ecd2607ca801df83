"""APIXO: jobs to be polled, one image each. https://apixo.ai/docs, read in November 2026.

Its pages are of several ages and name one fault differently (PROMPT_TOO_LONG, PromptLengthExceeded), so the
words of a fault are compared without case and underscores. The errors page says that whatever is
answered with an error status was not taken. What a job cost is never said.
"""

from collections.abc import Generator
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import quote

import orjson

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

RATIOS = frozenset({"1:1", "9:16", "16:9", "3:4", "4:3", "3:2", "2:3", "5:4", "4:5", "21:9", "auto"})
LONG_RATIOS = frozenset({"1:4", "4:1", "1:8", "8:1"})
LARGE = frozenset({"1k", "2k", "4k"})
FIRST = "nano-banana"  # alone has one size only and takes fewer pictures
WORKING = {"pending", "processing"}
ROUTE_DOWN = {401, 402, 403, 404}
POLICY = ("sensitive", "nsfw", "violat", "prohibited")
UNREACHABLE = "a picture in image_urls cannot be fetched"
CUSTOMER_FAULTS = {
    "imagetoolarge": "a picture in image_urls is larger than 10 MB",
    "invalidimageurl": UNREACHABLE,
    "imagedownloadfailed": UNREACHABLE,
    "unsupportedformat": "a picture in image_urls is neither JPEG, PNG nor WebP",
    "prompttoolong": "the prompt is too long",
    "promptlengthexceeded": "the prompt is too long",
}


class Apixo(Provider):
    name: ClassVar[str] = "apixo"
    default_base_url: ClassVar[str] = "https://api.apixo.ai/api/v1"
    first_poll: ClassVar[float] = 10.0
    poll_every: ClassVar[float] = 3.0
    shortest: ClassVar[float] = 12.0
    low_balance: ClassVar[Decimal] = Decimal(5)
    calls_back: ClassVar[bool] = True

    def capabilities(self, upstream_model: str) -> Capabilities:
        return Capabilities(
            aspect_ratios=RATIOS | LONG_RATIOS if upstream_model == "nano-banana-2" else RATIOS,
            resolutions=frozenset({"1k"}) if upstream_model == FIRST else LARGE,
            output_formats=frozenset({"png", "jpeg"}),
            max_references=5 if upstream_model == FIRST else 14,
            reference_bytes=10_000_000,
        )

    def submit(self, job: Job) -> Generator[Call, Reply, Submitted]:
        body = {"request_type": "async", "provider": job.strategy, "input": self._input(job)}
        if job.callback_url:
            body |= {"request_type": "callback", "callback_url": job.callback_url}
        reply = yield Call("POST", f"/generateTask/{quote(job.model, safe='')}", json=body)
        if reply.status == 200:
            return Accepted(reply.json["data"]["taskId"])
        words = f"{reply.said('message')} {reply.said('data', 'error')}"
        # A 503 of a proxy's says nothing of the job; the vendor's own repeats the status in its body.
        if reply.status == 429 or (reply.status == 503 and reply.said("code") == "503"):
            return Rejected(Outcome.RETRYABLE, words, retry_after=reply.retry_after)
        if reply.status in {400, 403, 422} and (fault := _fault(words)):
            return Rejected(*fault)
        if reply.status in ROUTE_DOWN:
            return Rejected(Outcome.ROUTE_DOWN, f"{reply.status} {words}")
        if reply.status in {400, 422}:
            return Rejected(Outcome.RETRYABLE, words, alarm=f"status {reply.status}: {words}")
        raise Unreadable(f"status {reply.status}")

    def poll(self, job: Job, upstream_id: str) -> Generator[Call, Reply, Polled]:
        path = f"/statusTask/{quote(job.model, safe='')}"
        reply = yield Call("GET", path, query={"taskId": upstream_id}, timeout=20)
        if reply.status == 404:
            return Failed(Outcome.NO_IMAGE, "the job is not known")
        if reply.status != 200:
            return Pending(wait=reply.retry_after)
        match reply.json["data"]:
            case {"state": "success", "resultJson": result}:
                urls = orjson.loads(result or "{}").get("resultUrls") or ()
                return Finished(tuple(Image(url) for url in urls))
            case {"state": "failed"}:
                words = f"{reply.said('data', 'failCode')} {reply.said('data', 'failMsg')}"
                return Failed(*(_fault(words) or (Outcome.RETRYABLE, words)))
            case {"state": state}:
                return Pending(alarm="" if state in WORKING else f"unknown state {state}")
        raise Unreadable("no state")

    def standing(self) -> Generator[Call, Reply, Standing]:
        """The balance is in dollars."""
        reply = yield Call("GET", "/apikeys/current-balance", timeout=20)
        if reply.status == 401:
            raise BadCredential
        return Standing(balance=Decimal(str(reply.json["data"])))

    def verified(self, callback: Callback) -> Generator[Call, Reply, str]:
        """Callbacks are not signed."""
        return text(callback.json["data"]["taskId"])
        yield

    def _input(self, job: Job) -> dict[str, Any]:
        given: dict[str, Any] = {
            "mode": "image-to-image" if job.references else "text-to-image",
            "prompt": job.text,
            "aspect_ratio": job.aspect_ratio,
            "output_format": job.output_format,
        }
        if job.model != FIRST:
            given["resolution"] = job.resolution
        if job.references:
            given["image_urls"] = [reference.url for reference in job.references]
        return given


def _fault(words: str) -> tuple[Outcome, str] | None:
    """What the vendor's words say of the customer's input or our balance, if anything."""
    bare = words.lower().replace("_", "")
    if any(word in bare for word in POLICY):
        return Outcome.REFUSED, words
    if "insufficientcredits" in bare:
        return Outcome.ROUTE_DOWN, words
    for word, told in CUSTOMER_FAULTS.items():
        if word in bare:
            return Outcome.INVALID, told
    return None
