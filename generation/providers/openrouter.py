"""OpenRouter: a chat that answers with one picture. https://openrouter.ai/docs, read in November 2026.

Once a model has started the status is 200 whatever becomes of it, and an error stands in the body. What a
call cost is told in dollars.
"""

from base64 import b64decode
from collections.abc import Generator
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, ClassVar

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
from generation.providers.gemini import BAD_PICTURE, REFUSALS

RATIOS = frozenset({"1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"})
# Only these take an `image_size`.
LARGE_MODELS = ("google/gemini-3-pro-image", "google/gemini-3.1-flash-image")
NOT_UNDERSTOOD = {400, 413, 422}
ENDS = {403: Outcome.REFUSED} | dict.fromkeys((401, 402, 404), Outcome.ROUTE_DOWN)
MICRO = 1_000_000
BELIEVABLE = 1000  # dollars; a picture costs cents


class OpenRouter(Provider):
    """The balance is what the key may still spend, in dollars; a key without a limit has none."""

    name: ClassVar[str] = "openrouter"
    default_base_url: ClassVar[str] = "https://openrouter.ai/api/v1"
    low_balance: ClassVar[Decimal] = Decimal(5)

    def capabilities(self, upstream_model: str) -> Capabilities:
        return Capabilities(
            aspect_ratios=RATIOS,
            resolutions=frozenset({"1k", "2k", "4k"} if upstream_model.startswith(LARGE_MODELS) else {"1k"}),
            output_formats=frozenset({"png"}),
            max_references=3 if upstream_model.startswith("google/gemini-2.5") else 14,
            reference_bytes=7_000_000,  # the limit of the Gemini models
            prompt_characters=30_000,
        )

    def submit(self, job: Job) -> Generator[Call, Reply, Submitted]:
        reply = yield Call("POST", "/chat/completions", json=_body(job), timeout=180, largest=INLINE_ANSWER)
        message = reply.said("error", "message")
        match reply.status:
            case 200:
                return _result(reply.json)
            case _ if _is_busy(reply, message):
                return Rejected(Outcome.RETRYABLE, message, retry_after=reply.retry_after)
            case 403 if reply.said("error", "metadata", "reasons"):
                return Rejected(Outcome.REFUSED, message)
            case 401 | 402 | 403 | 404:
                return Rejected(Outcome.ROUTE_DOWN, f"{reply.status} {message}")
            case status if status in NOT_UNDERSTOOD:
                return _turned_away(reply, message)
        raise Unreadable(f"status {reply.status}")

    def standing(self) -> Generator[Call, Reply, Standing]:
        """Anybody may read the list of models, so the key is asked about first."""
        key = yield Call("GET", "/key", timeout=20)
        if key.status == 401:
            raise BadCredential(key.said("error", "message"))
        models = yield Call("GET", "/models", query={"output_modalities": "image"}, timeout=20)
        if (key.status, models.status) != (200, 200):
            raise Unreadable(f"status {key.status} and {models.status}")
        left = key.json["data"].get("limit_remaining")
        return Standing(
            models=frozenset(model["id"] for model in models.json["data"]),
            balance=None if left is None else Decimal(str(left)),
        )


def _is_busy(reply: Reply, message: str) -> bool:
    """Nobody there who could serve the model, or too much spending in flight; an empty balance is not worth a wait."""
    if reply.status == 402:
        return reply.retry_after is not None
    return reply.status == 429 or (reply.status in {503, 529} and bool(message))


def _body(job: Job) -> dict[str, Any]:
    pictures = [{"type": "image_url", "image_url": {"url": reference.data_url}} for reference in job.references]
    shape = {"aspect_ratio": job.aspect_ratio}
    if job.model.startswith(LARGE_MODELS):
        shape["image_size"] = job.resolution.upper()
    return {
        "model": job.model,
        "messages": [{"role": "user", "content": [{"type": "text", "text": job.text}, *pictures]}],
        "modalities": ["image", "text"],
        "image_config": shape,
    }


def _result(answer: Any) -> Submitted:
    cost = _cost(answer)
    if error := answer.get("error"):
        return _failed(error, cost)
    choice = answer["choices"][0]
    if choice.get("error") or choice.get("finish_reason") == "error":
        return _failed(choice.get("error") or {}, cost)
    message = choice["message"]
    if images := [_image(image["image_url"]["url"]) for image in message.get("images") or ()]:
        return Finished(tuple(images), cost)
    reasons = {choice.get("finish_reason"), choice.get("native_finish_reason")}
    refused = reasons & {"content_filter", *REFUSALS}
    words = f"{choice.get('native_finish_reason')} {message.get('content') or ''}"
    return Failed(Outcome.REFUSED if refused else Outcome.NO_IMAGE, words, cost)


def _image(url: str) -> Image:
    return Image(data=b64decode(url.partition(",")[2])) if url.startswith("data:") else Image(url)


def _cost(answer: Any) -> int | None:
    """Micro-dollars. A figure that cannot be one is no reason to lose a picture."""
    match (answer.get("usage") or {}).get("cost"):
        case int() | float() as told if 0 <= told < BELIEVABLE:
            return int((Decimal(str(float(told))) * MICRO).to_integral_value(ROUND_HALF_UP))
    return None


def _failed(error: Any, cost: int | None) -> Failed:
    code = error.get("code")
    said = f"{code} {error.get('message')}"
    return Failed(ENDS.get(code, Outcome.RETRYABLE), said, cost, alarm=said if code in NOT_UNDERSTOOD else "")


def _turned_away(reply: Reply, message: str) -> Rejected:
    """`raw` is what the vendor behind has to say, if it was asked at all."""
    said = f"{message} {reply.said('error', 'metadata', 'raw')}".strip()
    if "not a valid model" in message:
        return Rejected(Outcome.ROUTE_DOWN, said)
    if any(word in said.lower() for word in BAD_PICTURE):
        return Rejected(Outcome.INVALID, "a picture in image_urls cannot be read")
    return Rejected(Outcome.RETRYABLE, said, alarm=f"status {reply.status}: {said}")
