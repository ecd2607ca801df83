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

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, ClassVar

import orjson


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
    """A customer's picture, already fetched and checked: a local file."""

    path: str
    content_type: str
    url: str


@dataclass(frozen=True, slots=True)
class Job:
    """One paid request in our words. `images` is how many this one call asks for."""

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


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request, relative to the provider's base URL. `timeout` is in seconds."""

    method: str
    path: str
    json: Any = None
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 60.0


class Unreadable(ValueError):
    """An answer that says nothing: not the JSON it should be, or a status the vendor does not document.

    Adapters raise it too. Of a submit it means that nobody knows whether the vendor took the job.
    """


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

    @property
    def retry_after(self) -> float | None:
        """Seconds from a numeric Retry-After header; None where it is missing or not a number."""
        value = self.headers.get("Retry-After", "")
        return float(value) if value.isdecimal() else None


@dataclass(frozen=True, slots=True)
class Image:
    """A picture at the vendor: an address to fetch, or the bytes themselves."""

    url: str = ""
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The vendor took the job and will be paid. `wait`: seconds until the first poll, if it said."""

    upstream_id: str
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class Absent:
    """A look-up found nothing: the vendor never took the job."""


@dataclass(frozen=True, slots=True)
class Pending:
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """`cost` in micro-dollars as the vendor reports it, None where it does not."""

    images: tuple[Image, ...]
    cost: int | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """The vendor did not take the job: nothing was bought."""

    outcome: Outcome
    message: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The vendor took the job, and it ended without an image: it may have been paid."""

    outcome: Outcome
    message: str
    cost: int | None = None


Submitted = Accepted | Finished | Failed | Rejected
Polled = Pending | Finished | Failed


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a vendor's model can do; an empty set means anything."""

    aspect_ratios: frozenset[str] = frozenset()
    resolutions: frozenset[str] = frozenset()
    output_formats: frozenset[str] = frozenset({"png", "jpeg", "webp"})
    max_references: int = 9
    images_per_call: int = 1
    prompt_characters: int = 2000


class Provider:
    """Base of all adapters. One instance per configured provider row.

    `first_poll`, `poll_every` and `poll_slowest` are seconds; each wait is the one before times
    `poll_backoff`, capped.
    """

    name: ClassVar[str]
    default_base_url: ClassVar[str] = ""
    first_poll: ClassVar[float] = 5.0
    poll_every: ClassVar[float] = 3.0
    poll_backoff: ClassVar[float] = 1.0
    poll_slowest: ClassVar[float] = 10.0
    can_look_up: ClassVar[bool] = False

    def __init__(self, base_url: str, credential: str = "") -> None:
        self.base_url = base_url or self.default_base_url
        self.credential = credential

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
