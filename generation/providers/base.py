"""What a provider is: a pure translation between our words and one vendor's HTTP API.

An adapter performs no I/O. Its methods are generators that yield a `Call`, are sent the `Reply` and
return a result, so each reads top to bottom like the vendor's documentation:

    def submit(self, job):
        reply = yield Call("POST", "/jobs", json={"prompt": job.prompt})
        if reply.status == 429:
            return Rejected(Outcome.RETRYABLE, "busy", retry_after=reply.retry_after)
        return Accepted(reply.json["id"])

Whoever drives the generator owns the network. What it could not send is `not_sent`, what it sent
without getting a readable answer is `unknown`; an adapter never has to think about either.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import cached_property
from typing import Any, BinaryIO, ClassVar

import orjson

MIB = 1024 * 1024
INLINE_ANSWER = 48 * MIB
MOST_SECONDS = 1e9  # added to a time they do not leave the calendar
MOST_BALANCE = 10**12


class Outcome(StrEnum):
    """Why an attempt brought no image. The list is closed."""

    RETRYABLE = "retryable"  # a passing condition; another route may do
    ROUTE_DOWN = "route_down"  # credential, balance or model of the route is broken
    REFUSED = "refused"  # the vendor's safety system said no: final, never shopped around
    INVALID = "invalid"  # a documented fault of the customer's input: final
    NO_IMAGE = "no_image"  # the vendor is done and there is no image that decodes
    UNKNOWN = "unknown"  # nobody can say whether the vendor took the job


@dataclass(frozen=True, slots=True)
class Reference:
    """A customer's picture, already fetched and checked: a local file of `bytes` bytes.

    Where a vendor wants the picture itself, put the Reference into a Call's `form`, or its `base64` or
    `data_url` into the `json`; the bytes are read when the request is written.
    """

    path: str
    content_type: str
    url: str
    bytes: int = 0

    @property
    def base64(self) -> "Inline":
        return Inline(self)

    @property
    def data_url(self) -> "Inline":
        return Inline(self, prefix=f"data:{self.content_type};base64,")


@dataclass(frozen=True, slots=True)
class Inline:
    """Stands in a Call's `json` for the base64 text of a picture."""

    reference: Reference
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """One paid request in our words. `images` is how many this one call asks for.

    `callback_url` is where the vendor may tell us that it is done; empty where it cannot reach us.
    """

    client_ref: str
    model: str
    prompt: str
    negative_prompt: str = ""
    aspect_ratio: str = "16:9"
    resolution: str = "1k"
    output_format: str = "png"
    images: int = 1
    seed: int | None = None
    references: tuple[Reference, ...] = ()
    callback_url: str = ""
    strategy: str = "auto"

    @property
    def text(self) -> str:
        """The prompt for vendors that know no negative one."""
        return f"{self.prompt}\n\nAvoid: {self.negative_prompt}" if self.negative_prompt else self.prompt


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request, relative to the provider's base URL unless `path` is a whole URL.

    `form` is a body of names and values, in order: multipart if a picture is among them, else
    url-encoded. `timeout` is in seconds; `largest` caps the answer, in bytes (INLINE_ANSWER where pictures
    come in it). A call that `buys` nothing may be lost without harm: to fetch a token, say.
    """

    method: str
    path: str
    json: Any = None
    form: Sequence[tuple[str, str | Reference]] = ()
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 60.0
    largest: int = MIB
    buys: bool = True


class Unreadable(ValueError):
    """An answer that says nothing: not the JSON it should be, or a status the vendor does not document.

    Adapters raise it too. Of a submit it means that nobody knows whether the vendor took the job.
    """


class BadCredential(Exception):
    """The vendor does not know our credential."""


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @cached_property
    def json(self) -> Any:
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise Unreadable(str(error)) from error

    def said(self, *names: str) -> str:
        """A text in the JSON under these names; empty where it, or the JSON, is not there."""
        try:
            value = self.json
            for name in names:
                value = value[name]
        except (Unreadable, LookupError, TypeError, RecursionError):  # nested deeper than Python prints
            return ""
        return "" if value is None else plain(value)

    @property
    def retry_after(self) -> float | None:
        """Seconds from a Retry-After header, be it a number or a date; None where it is missing or neither."""
        value = self.headers.get("Retry-After", "")
        if value.isascii() and value.isdecimal():
            return float(value[:9])
        try:
            wait = parsedate_to_datetime(value) - parsedate_to_datetime(self.headers.get("Date", ""))
        except (TypeError, ValueError, OverflowError):
            return None
        return min(max(0.0, wait.total_seconds()), MOST_SECONDS)


def plain(value: object) -> str:
    """A text of a vendor's, fit for a row: no NUL, at most 300 characters."""
    return str(value).replace("\0", "")[:300]


def text(value: object) -> str:
    """A text that must be there. Raises Unreadable."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise Unreadable("a text is missing")
    return value


@dataclass(frozen=True, slots=True)
class Image:
    """A picture at the vendor: an address to fetch, or the bytes themselves.

    The transport puts bytes into a `file` at once, because a thousand answers may come together.
    """

    url: str = ""
    data: bytes = b""
    file: BinaryIO | None = None

    def __post_init__(self) -> None:
        if not self.data and not self.file:
            text(self.url)

    def close(self) -> None:
        if self.file:
            self.file.close()


@dataclass(frozen=True, slots=True)
class Accepted:
    """The vendor took the job and will be paid. `wait`: seconds until the first poll, if it said."""

    upstream_id: str
    wait: float | None = None

    def __post_init__(self) -> None:
        text(self.upstream_id)


@dataclass(frozen=True, slots=True)
class Absent:
    """A look-up found nothing: the vendor never took the job."""


@dataclass(frozen=True, slots=True)
class Pending:
    """`alarm` tells operators of a state nobody has documented."""

    wait: float | None = None
    alarm: str = ""


@dataclass(frozen=True, slots=True)
class Finished:
    """`cost` in micro-dollars as the vendor reports it, None where it does not."""

    images: tuple[Image, ...]
    cost: int | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The vendor did not take the job: nothing was bought.

    `message` holds the vendor's words, for operators; only of an INVALID it is ours and reaches the
    customer. `retry_after` is in seconds. `alarm` tells operators of an answer nobody has documented.
    """

    outcome: Outcome
    message: str
    retry_after: float | None = None
    alarm: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", plain(self.message))


@dataclass(frozen=True, slots=True)
class Failed:
    """The vendor took the job, and it ended without an image: it may have been paid.

    `message` and `alarm` as in Rejected; `cost` in micro-dollars as the vendor reports it.
    """

    outcome: Outcome
    message: str
    cost: int | None = None
    alarm: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", plain(self.message))


@dataclass(frozen=True, slots=True)
class Standing:
    """What a vendor says of our account: the models it offers and what is left, None where it does not say."""

    models: frozenset[str] | None = None
    balance: Decimal | None = None

    def __post_init__(self) -> None:
        if self.balance is not None and not (self.balance.is_finite() and abs(self.balance) < MOST_BALANCE):
            raise Unreadable("the balance is no number")


@dataclass(frozen=True)
class Callback:
    """A call a vendor made to our `callback_url`; `now` in Unix seconds."""

    headers: Mapping[str, str]
    body: bytes
    now: float

    @cached_property
    def json(self) -> Any:
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise Unreadable(str(error)) from error


Submitted = Accepted | Finished | Failed | Rejected
Polled = Pending | Finished | Failed


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a vendor's model can do; an empty set means anything. `reference_bytes` is for each picture."""

    aspect_ratios: frozenset[str] = frozenset()
    resolutions: frozenset[str] = frozenset()
    output_formats: frozenset[str] = frozenset({"png", "jpeg", "webp"})
    max_references: int = 9
    reference_bytes: int = 10 * MIB
    images_per_call: int = 1
    prompt_characters: int = 2000


class Provider:
    """Base of all adapters. One instance per configured provider row.

    `first_poll`, `poll_every` and `poll_slowest` are seconds; each wait is the one before times
    `poll_backoff`, capped. A balance below `low_balance`, in the vendor's own unit, is reported.
    With less than `shortest` seconds left nothing is bought: it could not even be asked about once. `calls_back`
    where the vendor can call `job.callback_url`; `callback_secret` is what it signs with, if the operator was
    given one.
    """

    name: ClassVar[str]
    default_base_url: ClassVar[str] = ""
    first_poll: ClassVar[float] = 5.0
    poll_every: ClassVar[float] = 3.0
    poll_backoff: ClassVar[float] = 1.0
    poll_slowest: ClassVar[float] = 10.0
    shortest: ClassVar[float] = 6.0
    low_balance: ClassVar[Decimal] = Decimal(0)
    can_look_up: ClassVar[bool] = False
    calls_back: ClassVar[bool] = False

    def __init__(self, base_url: str, credential: str = "", callback_secret: str = "") -> None:
        self.base_url = (base_url or self.default_base_url).rstrip("/")
        self.credential = credential
        self.callback_secret = callback_secret

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.credential}"} if self.credential else {}

    def capabilities(self, upstream_model: str) -> Capabilities:
        raise NotImplementedError

    def submit(self, job: Job) -> Generator[Call, Reply, Submitted]:
        raise NotImplementedError

    def poll(self, job: Job, upstream_id: str) -> Generator[Call, Reply, Polled]:
        raise NotImplementedError

    def look_up(self, job: Job) -> Generator[Call, Reply, Accepted | Absent]:
        """Find a purchase by `job.client_ref`; only where `can_look_up`."""
        raise NotImplementedError

    def cancel(self, job: Job, upstream_id: str) -> Generator[Call, Reply, None]:
        """Ask the vendor to stop; by default there is nothing to ask."""
        return
        yield

    def standing(self) -> Generator[Call, Reply, Standing]:
        """Read the vendor's model list and our balance; by default neither is offered.

        Raises BadCredential.
        """
        return Standing()
        yield

    def verified(self, callback: Callback) -> Generator[Call, Reply, str]:
        """The upstream id a callback speaks of, empty where it is not genuine; only where `calls_back`.

        Where the vendor signs, the signature is checked, over the raw body. It is a hint and no more: the
        job is polled before anything is believed.
        """
        raise NotImplementedError
        yield
