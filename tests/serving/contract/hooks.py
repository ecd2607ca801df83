"""What schemathesis cannot know from the description."""

import itertools

import schemathesis

ADDRESSES = (f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}" for n in itertools.count(1))


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case, kwargs: object) -> None:
    """Every case comes from an address of its own, and what is well made is about what there is."""
    case.headers["X-Forwarded-For"] = next(ADDRESSES)
    case.cookies["csrftoken"] = case.headers["X-CSRFToken"] = "a" * 32
    if case.meta and case.meta.generation.mode.is_positive:
        case.query.pop("after", None)
        if "page" in case.query:
            case.query["page"] = 1
        if isinstance(case.body, dict) and "prompt" in case.body:
            case.body["model"] = "nanobanana-pro"
