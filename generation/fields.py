"""The fields of POST /v1/generate."""

from dataclasses import dataclass
from typing import Any

from eggapi import fields, money
from eggapi.addresses import BadUrl, check_url
from eggapi.fields import Fault, Read, choice, integer, text
from generation import uploads

PROMPT_CHARACTERS = 2000
NEGATIVE_PROMPT_CHARACTERS = 1000
MOST_OUTPUTS = 4
MOST_IMAGE_URLS = 9
ASPECT_RATIOS = ("16:9", "9:16")
RESOLUTIONS = ("1k", "2k", "4k")
SEEDS = (0, 2**32 - 1)
STRATEGIES = ("auto", "value", "official")
DURATION_SECONDS = (1, 60)
DEADLINE_SECONDS = (10, 3600)
MOST_METADATA = 16
METADATA_KEY_CHARACTERS = 40
METADATA_VALUE_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Submission:
    """A well-formed request, before anything is known of models, prices and money.

    `max_cost` is in micro-dollars. `duration` means something to models that make videos; for others it is
    checked and that is all.
    """

    model: str
    prompt: str
    negative_prompt: str = ""
    aspect_ratio: str = "16:9"
    num_outputs: int = 1
    resolution: str = ""
    seed: int | None = None
    strategy: str = "auto"
    image_urls: tuple[str, ...] = ()
    webhook_url: str = ""
    duration: int | None = None
    deadline_seconds: int | None = None
    dry_run: bool = False
    max_cost: int | None = None
    metadata: dict[str, str] | None = None


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
    return tuple(picture(item) for item in value)


def picture(value: Any) -> str:
    """A picture at an address that we may call, or one that was uploaded here: that is read without a call."""
    return value if isinstance(value, str) and uploads.path_of(value) else url(value)


def flag(value: Any) -> bool:
    if type(value) is not bool:
        raise Fault("must be true or false")
    return value


def metadata(value: Any) -> dict[str, str]:
    """Kept as it is: not even trimmed."""
    if not isinstance(value, dict):
        raise Fault("must be an object")
    if len(value) > MOST_METADATA:
        raise Fault(f"must have at most {MOST_METADATA} entries")
    for key, entry in value.items():
        text(key)
        if not 1 <= len(key) <= METADATA_KEY_CHARACTERS:
            raise Fault(f"must have keys of 1 to {METADATA_KEY_CHARACTERS} characters")
        if not isinstance(entry, str) or len(entry) > METADATA_VALUE_CHARACTERS:
            raise Fault(f"must have values that are strings of at most {METADATA_VALUE_CHARACTERS} characters")
        text(entry)
    return value


READERS: dict[str, Read] = {
    "model": lambda value: text(value, least=1, most=64),
    "prompt": lambda value: text(value, least=1, most=PROMPT_CHARACTERS),
    "negative_prompt": lambda value: text(value, most=NEGATIVE_PROMPT_CHARACTERS),
    "aspect_ratio": lambda value: choice(value, ASPECT_RATIOS),
    "num_outputs": lambda value: integer(value, 1, MOST_OUTPUTS),
    "resolution": lambda value: choice(value, RESOLUTIONS),
    "seed": lambda value: integer(value, *SEEDS),
    "strategy": lambda value: choice(value, STRATEGIES),
    "image_urls": urls,
    "webhook_url": url,
    "duration": lambda value: integer(value, *DURATION_SECONDS),
    "deadline_seconds": lambda value: integer(value, *DEADLINE_SECONDS),
    "dry_run": flag,
    "max_cost": lambda value: fields.dollars(value, 0, money.LARGEST),
    "metadata": metadata,
}
REQUIRED = ("model", "prompt")


def read(body: dict[str, Any]) -> Submission:
    """The submission in a JSON object; null counts as absent, unknown fields are ignored.

    Raises ValidationFailed naming every field at fault.
    """
    return Submission(**fields.read(body, READERS, REQUIRED))
