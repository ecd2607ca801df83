"""What fal.ai's errors mean. https://docs.fal.ai/errors, read in November 2026.

A model's errors are a list, the platform's is a single flat one; of both only the type is to be relied on.
"""

from typing import TypeVar

from generation.providers.base import Failed, Outcome, Rejected, Reply, Unreadable, plain

UNSAFE = "unsafe"  # some refusals come as no_media_generated and say so only in words
# The types that mean more than "try elsewhere"; where it is the customer's fault, our words for it.
MEANINGS = {
    "content_policy_violation": (Outcome.REFUSED, ""),
    "no_media_generated": (Outcome.NO_IMAGE, ""),
    "image_too_large": (Outcome.INVALID, "a picture in image_urls is too large"),
    "file_too_large": (Outcome.INVALID, "a picture in image_urls is too large"),
    "image_too_small": (Outcome.INVALID, "a picture in image_urls is too small"),
    "image_load_error": (Outcome.INVALID, "a picture in image_urls cannot be read"),
    "file_download_error": (Outcome.INVALID, "a picture in image_urls cannot be fetched"),
}

Fault = TypeVar("Fault", Rejected, Failed)


def errors_of(reply: Reply) -> dict[str, str]:
    """The errors in an answer: type to words. The input, which a model repeats beside them, is left there."""
    try:
        detail = reply.json["detail"]
        if isinstance(detail, str):
            return {reply.json.get("error_type") or "": detail}
        return {error["type"]: error["msg"] for error in detail}
    except (Unreadable, LookupError, TypeError):
        return {}


def in_words(errors: dict[str, str]) -> str:
    return plain("; ".join(f"{kind} {said}".strip() for kind, said in errors.items()))


def fault(kind: type[Fault], reply: Reply, errors: dict[str, str]) -> Fault:
    if UNSAFE in errors.get("no_media_generated", "").lower():
        return kind(Outcome.REFUSED, errors["no_media_generated"])
    for name, (outcome, ours) in MEANINGS.items():
        if name in errors:
            return kind(outcome, ours or errors[name])
    said = f"{reply.status} {in_words(errors)}"
    return kind(Outcome.RETRYABLE, said, alarm=said if reply.status in {400, 422} else "")
