"""OpenAI's image models: one call, up to four pictures. https://developers.openai.com/api/docs, read in November 2026.

What a call took is told in tokens, never in dollars.
"""

import math
from base64 import b64decode
from collections.abc import Generator
from typing import ClassVar

from generation.providers.base import (
    INLINE_ANSWER,
    BadCredential,
    Call,
    Capabilities,
    Failed,
    Finished,
    Image,
    Job,
    Outcome,
    Provider,
    Reference,
    Rejected,
    Reply,
    Standing,
    Submitted,
    Unreadable,
)

RATIOS = frozenset({"1:1", "1:2", "2:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "9:21", "21:9"})
# The first models, and the alias of ChatGPT's own, draw in three sizes. Later ones take any size whose edges are
# multiples of 16: up to 3 to 1, to 3840 pixels an edge and to 3840x2160 pixels in all (openai-python 3.52.0).
FIRST_MODELS = ("gpt-image-1", "chatgpt-image")
FIXED = {"1:1": "1024x1024", "3:2": "1536x1024", "2:3": "1024x1536"}
# Of the documented sizes those whose longer edge, and whose number of pixels, none of ours exceeds.
LARGEST = {"1k": (1536, 1024), "2k": (2048, 2048), "4k": (3840, 2160)}
STEP = 16

REFUSALS = {"moderation_blocked", "content_policy_violation", "image_content_policy_violation"}
UNPAID = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
BUSY = ("overloaded", "slow down", "not processed")
TOO_LARGE = "a picture in image_urls is too large"
BAD_PICTURE = "a picture in image_urls cannot be read"
FAULTS = {
    "image_too_large": TOO_LARGE,
    "image_file_too_large": TOO_LARGE,
    "image_too_small": "a picture in image_urls is too small",
    "image_parse_error": BAD_PICTURE,
    "invalid_image": BAD_PICTURE,
    "invalid_image_file": BAD_PICTURE,
    "invalid_image_format": BAD_PICTURE,
    "invalid_image_mode": BAD_PICTURE,
}


class OpenAI(Provider):
    """The call stays open while the pictures are drawn. How well is left to the model."""

    name: ClassVar[str] = "openai"
    default_base_url: ClassVar[str] = "https://api.openai.com/v1"

    def capabilities(self, upstream_model: str) -> Capabilities:
        fixed = upstream_model.startswith(FIRST_MODELS)
        return Capabilities(
            aspect_ratios=frozenset(FIXED) if fixed else RATIOS,
            resolutions=frozenset({"1k"} if fixed else LARGEST),
            max_references=16,
            images_per_call=4,
            prompt_characters=30_000,
        )

    def submit(self, job: Job) -> Generator[Call, Reply, Submitted]:
        reply = yield self._call(job)
        message, code = reply.said("error", "message"), reply.said("error", "code")
        match reply.status:
            case 200:
                return Finished(tuple(Image(data=b64decode(item["b64_json"])) for item in reply.json["data"]))
            case 400 | 402 | 429 if code in UNPAID:
                return Rejected(Outcome.ROUTE_DOWN, f"{code} {message}")
            case 429:
                return Rejected(Outcome.RETRYABLE, message, retry_after=_wait(reply))
            case 503 if any(word in message.lower() for word in BUSY):
                return Rejected(Outcome.RETRYABLE, message, retry_after=_wait(reply))
            case 401 | 402 | 403 | 404:
                return Rejected(Outcome.ROUTE_DOWN, f"{reply.status} {message}")
            case 400 | 413 | 415 | 422:
                return _turned_away(reply, code, message)
        raise Unreadable(f"status {reply.status}")

    def standing(self) -> Generator[Call, Reply, Standing]:
        reply = yield Call("GET", "/models", timeout=20)
        if reply.status == 401:
            raise BadCredential(reply.said("error", "message"))
        if reply.status != 200:
            raise Unreadable(f"status {reply.status}")
        return Standing(models=frozenset(model["id"] for model in reply.json["data"]))

    def _call(self, job: Job) -> Call:
        given = {"model": job.model, "prompt": job.text, "size": _size(job), "output_format": job.output_format}
        # Each of the pictures may be as large as the only one of another vendor's answer.
        largest = INLINE_ANSWER * job.images
        if not job.references:
            body = {**given, "n": job.images}
            return Call("POST", "/images/generations", json=body, timeout=180, largest=largest)
        name = "image[]" if len(job.references) > 1 else "image"
        form: list[tuple[str, str | Reference]] = [*given.items(), ("n", str(job.images))]
        form += [(name, reference) for reference in job.references]
        return Call("POST", "/images/edits", form=form, timeout=180, largest=largest)


def _size(job: Job) -> str:
    if job.model.startswith(FIRST_MODELS):
        return FIXED[job.aspect_ratio]
    wide, high = (int(side) for side in job.aspect_ratio.split(":"))
    longest, other = LARGEST[job.resolution]
    unit = min(longest / max(wide, high), math.sqrt(longest * other / (wide * high)))
    return "x".join(str(int(side * unit) // STEP * STEP) for side in (wide, high))


def _wait(reply: Reply) -> float | None:
    """Seconds; the vendor may say it in milliseconds too, which is then the better word."""
    exact = reply.headers.get("retry-after-ms", "")
    return int(exact[:12]) / 1000 if exact.isascii() and exact.isdecimal() else reply.retry_after


def _turned_away(reply: Reply, code: str, message: str) -> Rejected | Failed:
    if code in REFUSALS:
        # What is blocked at the end has been drawn, and may have been paid.
        stage = reply.said("error", "moderation_details", "moderation_stage")
        return (Failed if stage == "output" else Rejected)(Outcome.REFUSED, message)
    if code == "model_not_found" or reply.said("error", "param") == "model":
        return Rejected(Outcome.ROUTE_DOWN, message)
    if code in FAULTS:
        return Rejected(Outcome.INVALID, FAULTS[code])
    return Rejected(Outcome.RETRYABLE, message, alarm=f"status {reply.status} {code}: {message}")
