"""Google's Gemini API: one call, one picture. https://ai.google.dev/api/generate-content, read in November 2026."""

import re
from base64 import b64decode
from collections.abc import Generator
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import quote

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
    Rejected,
    Reply,
    Standing,
    Submitted,
    Unreadable,
)

RATIOS = frozenset({"1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9", "auto"})
MORE_RATIOS = RATIOS | {"1:4", "4:1", "1:8", "8:1"}
SMALL = frozenset({"1k"})
LARGE = frozenset({"1k", "2k", "4k"})
# An inline picture may have 7 MB; the model's page, read in November 2026.
UNKNOWN_MODEL = Capabilities(
    output_formats=frozenset({"png"}), max_references=14, reference_bytes=7_000_000, prompt_characters=30_000
)
MODELS = {
    "gemini-2.5-flash-image": replace(UNKNOWN_MODEL, aspect_ratios=RATIOS, resolutions=SMALL, max_references=3),
    "gemini-3.1-flash-lite-image": replace(UNKNOWN_MODEL, aspect_ratios=MORE_RATIOS, resolutions=SMALL),
    "gemini-3.1-flash-image": replace(UNKNOWN_MODEL, aspect_ratios=MORE_RATIOS, resolutions=LARGE),
    "gemini-3-pro-image": replace(UNKNOWN_MODEL, aspect_ratios=RATIOS, resolutions=LARGE),
}
REFUSALS = {"SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII", "RECITATION", "MODEL_ARMOR"}
REFUSALS |= {"IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"}
# The 503 of a model that took nothing. "Deadline expired before operation could complete." is the other one.
BUSY = ("overloaded", "high demand")
BAD_PICTURE = ("unable to process input image", "provided image is not valid")
RETRY_DELAY = re.compile(rb'"retryDelay":\s*"(\d{1,9}(?:\.\d+)?)s"')


class Gemini(Provider):
    """The call stays open while the picture is drawn: ten to thirty seconds. Its cost is not told."""

    name: ClassVar[str] = "gemini"
    default_base_url: ClassVar[str] = "https://generativelanguage.googleapis.com/v1beta"
    list_path: ClassVar[str] = "/models"
    list_name: ClassVar[str] = "models"

    def headers(self) -> dict[str, str]:
        return {"x-goog-api-key": self.credential}

    def capabilities(self, upstream_model: str) -> Capabilities:
        return MODELS.get(upstream_model, UNKNOWN_MODEL)

    def submit(self, job: Job) -> Generator[Call, Reply, Submitted]:
        path = f"{self.models_path()}/{quote(job.model, safe='')}:generateContent"
        reply = yield Call("POST", path, json=self._body(job), timeout=180, largest=INLINE_ANSWER)
        message = reply.said("error", "message")
        match reply.status:
            case 200:
                return _result(reply.json)
            case 429:
                return _throttled(reply, message)
            case 503 if reply.said("error", "status") == "UNAVAILABLE" and _speaks_of(BUSY, message):
                return Rejected(Outcome.RETRYABLE, message, retry_after=reply.retry_after)
            case 401 | 402 | 403 | 404:
                return Rejected(Outcome.ROUTE_DOWN, f"{reply.status} {message}")
            case 400 | 413 | 422:
                return _turned_away(reply, message)
        raise Unreadable(f"status {reply.status}")

    def standing(self) -> Generator[Call, Reply, Standing]:
        models: set[str] = set()
        page: dict[str, str] = {}
        while True:
            reply = yield Call("GET", self.list_path, query=page, timeout=20)
            if reply.status in {401, 403} or _is_about_key(reply):
                raise BadCredential(reply.said("error", "message"))
            if reply.status != 200:
                raise Unreadable(f"status {reply.status}")
            models |= {model["name"].rpartition("/")[2] for model in reply.json.get(self.list_name, ())}
            if not (token := reply.json.get("nextPageToken")):
                return Standing(models=frozenset(models))
            page = {"pageToken": token}

    def models_path(self) -> str:
        return "/models"

    def _body(self, job: Job) -> dict[str, Any]:
        pictures = [
            {"inlineData": {"mimeType": reference.content_type, "data": reference.base64}}
            for reference in job.references
        ]
        shape = {} if job.aspect_ratio == "auto" else {"aspectRatio": job.aspect_ratio}
        if self.capabilities(job.model).resolutions != SMALL:
            shape["imageSize"] = job.resolution.upper()
        return {
            "contents": [{"role": "user", "parts": [{"text": job.text}, *pictures]}],
            "generationConfig": {"responseModalities": ["TEXT", "IMAGE"], "imageConfig": shape},
        }


def _result(answer: Any) -> Submitted:
    feedback = answer.get("promptFeedback", {})
    if reason := feedback.get("blockReason"):
        return Rejected(Outcome.REFUSED, f"{reason} {feedback.get('blockReasonMessage', '')}")
    candidate = answer["candidates"][0]
    # A thought is a draft of a thinking model's.
    parts = [part for part in candidate.get("content", {}).get("parts", ()) if not part.get("thought")]
    inline = [part["inlineData"] for part in parts if "inlineData" in part]
    if images := [Image(data=b64decode(data["data"])) for data in inline if data["mimeType"].startswith("image/")]:
        return Finished(tuple(images))
    reason = candidate.get("finishReason")
    words = candidate.get("finishMessage") or " ".join(part["text"] for part in parts if "text" in part)
    return Failed(Outcome.REFUSED if reason in REFUSALS else Outcome.NO_IMAGE, f"{reason} {words}")


def _throttled(reply: Reply, message: str) -> Rejected:
    """A quota of the day, or a balance, does not come back in the time a task has."""
    if b"PerDay" in reply.body or "credits are depleted" in message:
        return Rejected(Outcome.ROUTE_DOWN, message)
    told = RETRY_DELAY.search(reply.body)
    return Rejected(Outcome.RETRYABLE, message, retry_after=float(told[1]) if told else reply.retry_after)


def _turned_away(reply: Reply, message: str) -> Rejected:
    """FAILED_PRECONDITION is about our account: its country, or its billing."""
    if _is_about_key(reply) or reply.said("error", "status") == "FAILED_PRECONDITION":
        return Rejected(Outcome.ROUTE_DOWN, message)
    if _speaks_of(BAD_PICTURE, message):
        return Rejected(Outcome.INVALID, "a picture in image_urls cannot be read")
    return Rejected(Outcome.RETRYABLE, message, alarm=f"status {reply.status}: {message}")


def _is_about_key(reply: Reply) -> bool:
    """A key that is wrong or has expired is a 400 here."""
    return reply.status == 400 and _speaks_of(("api key",), reply.said("error", "message"))


def _speaks_of(words: tuple[str, ...], message: str) -> bool:
    return any(word in message.lower() for word in words)
