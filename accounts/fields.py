"""The fields that make a key, the same for POST /v1/keys and for `manage.py keys create`."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

from accounts.models import ApiKey
from eggapi import fields
from eggapi.errors import ValidationFailed
from eggapi.fields import Fault, Read, choice, dollars, integer, text

LONGEST_NAME = 100
LONGEST_LIST = 100
MOST_CALLS = 1_000_000
MOST_AT_ONCE = 1_000_000
MOST_BUDGET = 10**15  # $1,000,000,000
SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}
RATE = re.compile(rf"([1-9][0-9]{{0,6}})/({'|'.join(SECONDS)})")
UNITS = {"m": "minutes", "h": "hours", "d": "days"}
DURATION = re.compile(r"([1-9][0-9]{0,5})([mhd])")
OVERLAPS = {"now": timedelta(0), "1h": timedelta(hours=1), "24h": timedelta(hours=24), "7d": timedelta(days=7)}


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to be. `rate` is a number of calls and the seconds they are for, `budget` micro-dollars."""

    name: str
    scopes: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    cidrs: tuple[str, ...] = ()
    rate: tuple[int, int] | None = None
    concurrency: int | None = None
    budget: int | None = None
    budget_period: str = ""
    expires: timedelta | None = None


def name(value: Any) -> str:
    written = text(value, least=1, most=LONGEST_NAME)
    if not written.isprintable():
        raise Fault("must be printable, on one line")
    return written


def cidr(value: Any) -> str:
    try:
        return str(ip_network(text(value, most=64)))
    except ValueError:
        raise Fault("must be networks such as 10.0.0.0/8 or 2001:db8::/32") from None


def rate(value: Any) -> tuple[int, int]:
    match = RATE.fullmatch(text(value))
    if match is None or int(match[1]) > MOST_CALLS:
        raise Fault(f"must be a number of calls in a time, such as 20/minute; the times are {', '.join(SECONDS)}")
    return int(match[1]), SECONDS[match[2]]


def duration(value: Any) -> timedelta:
    match = DURATION.fullmatch(text(value))
    if match is None:
        raise Fault("must be minutes, hours or days, such as 30m, 24h or 90d")
    return timedelta(**{UNITS[match[2]]: int(match[1])})


def each(read_one: Callable[[Any], str]) -> Read:
    def read_list(value: Any) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise Fault("must be a list")
        if len(value) > LONGEST_LIST:
            raise Fault(f"must hold at most {LONGEST_LIST}")
        return tuple(dict.fromkeys(read_one(item) for item in value))

    return read_list


READERS: dict[str, Read] = {
    "name": name,
    "scopes": each(lambda value: choice(value, ApiKey.Scope.values)),
    "models": each(lambda value: text(value, least=1, most=64)),
    "cidrs": each(cidr),
    "rate": rate,
    "concurrency": lambda value: integer(value, 1, MOST_AT_ONCE),
    "budget": lambda value: dollars(value, least=1, most=MOST_BUDGET),
    "budget_period": lambda value: choice(value, ApiKey.Period.values),
    "expires": duration,
}


def read(body: Mapping[str, Any]) -> NewKey:
    """Raises ValidationFailed naming every field at fault."""
    values = fields.read(body, READERS, required=["name"])
    if "budget_period" in values and "budget" not in values:
        raise ValidationFailed({"budget_period": "is of no use without a budget"})
    return NewKey(**values)


def overlap(body: Mapping[str, Any]) -> timedelta:
    """For how long a key that is rolled works on. Raises ValidationFailed."""
    values = fields.read(body, {"overlap": lambda value: choice(value, OVERLAPS)}, required=["overlap"])
    return OVERLAPS[values["overlap"]]
