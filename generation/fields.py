"""The fields of POST /v1/generate, read strictly: a number is not a string and true is not 1."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from eggapi.addresses import BadUrl, check_url
from eggapi.errors import ValidationFailed

PROMPT_CHARACTERS = 2000
NEGATIVE_PROMPT_CHARACTERS = 1000
MOST_OUTPUTS = 4
MOST_IMAGE_URLS = 9
ASPECT_RATIOS = ("16:9", "9:16")
RESOLUTIONS = ("1k", "2k", "4k")
SEEDS = (0, 2**32 - 1)
DURATION_SECONDS = (1, 60)
DEADLINE_SECONDS = (10, 3600)

Read = Callable[[Any], Any]


class Fault(ValueError):
    """What is wrong with a field, as a sentence for the customer."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A well-formed request, before anything is known of models, prices and money.

    `duration` means something to models that make videos; for others it is checked and that is all.
    """

    model: str
    prompt: str
    negative_prompt: str = ""
    aspect_ratio: str = "16:9"
    num_outputs: int = 1
    resolution: str = ""
    seed: int | None = None
    image_urls: tuple[str, ...] = ()
    webhook_url: str = ""
    duration: int | None = None
    deadline_seconds: int | None = None


def text(value: Any, least: int = 0, most: int | None = None) -> str:
    if not isinstance(value, str):
        raise Fault("must be a string")
    trimmed: str = value.strip()
    if "\0" in trimmed:
        raise Fault("must not contain NUL")
    if any("\ud800" <= character <= "\udfff" for character in trimmed):
        raise Fault("must not contain a lone surrogate")
    if len(trimmed) < least:
        raise Fault("must not be empty")
    if most is not None and len(trimmed) > most:
        raise Fault(f"must be at most {most} characters")
    return trimmed


def integer(value: Any, least: int, most: int) -> int:
    if type(value) is not int:
        raise Fault("must be an integer")
    if not least <= value <= most:
        raise Fault(f"must be from {least} to {most}")
    return value


def choice(value: Any, choices: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in choices:
        raise Fault(f"must be one of {', '.join(choices)}")
    return value


def url(value: Any) -> str:
    """An address we may be asked to call: checked without a look-up, and again when it is dialled."""
    if not isinstance(value, str):
        raise Fault("must be a string")
    try:
        check_url(value)
    except BadUrl as error:
        raise Fault(str(error)) from None
    return value


def urls(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise Fault("must be a list of URLs")
    if len(value) > MOST_IMAGE_URLS:
        raise Fault(f"must hold at most {MOST_IMAGE_URLS} URLs")
    return tuple(url(item) for item in value)


READERS: dict[str, Read] = {
    "model": lambda value: text(value, least=1, most=64),
    "prompt": lambda value: text(value, least=1, most=PROMPT_CHARACTERS),
    "negative_prompt": lambda value: text(value, most=NEGATIVE_PROMPT_CHARACTERS),
    "aspect_ratio": lambda value: choice(value, ASPECT_RATIOS),
    "num_outputs": lambda value: integer(value, 1, MOST_OUTPUTS),
    "resolution": lambda value: choice(value, RESOLUTIONS),
    "seed": lambda value: integer(value, *SEEDS),
    "image_urls": urls,
    "webhook_url": url,
    "duration": lambda value: integer(value, *DURATION_SECONDS),
    "deadline_seconds": lambda value: integer(value, *DEADLINE_SECONDS),
}
REQUIRED = ("model", "prompt")


def read(body: dict[str, Any]) -> Submission:
    """The submission in a JSON object; null counts as absent, unknown fields are ignored.

    Raises ValidationFailed naming every field at fault.
    """
    values: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for name, read_field in READERS.items():
        value = body.get(name)
        if value is None:
            if name in REQUIRED:
                faults[name] = "is required"
            continue
        try:
            values[name] = read_field(value)
        except Fault as fault:
            faults[name] = str(fault)
    if faults:
        raise ValidationFailed(faults)
    return Submission(**values)
