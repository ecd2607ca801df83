"""The fields of a JSON object, read strictly: a number is not a string and true is not 1."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from eggapi import money
from eggapi.errors import ValidationFailed

Read = Callable[[Any], Any]


class Fault(ValueError):
    """What is wrong with a field, as a sentence for the customer."""


def read(body: Mapping[str, Any], readers: Mapping[str, Read], required: Collection[str] = ()) -> dict[str, Any]:
    """The values of the fields that are there; null counts as absent, unknown fields are ignored.

    Raises ValidationFailed naming every field at fault.
    """
    values: dict[str, Any] = {}
    faults: dict[str, str] = {}
    for name, read_field in readers.items():
        value = body.get(name)
        if value is None:
            if name in required:
                faults[name] = "is required"
            continue
        try:
            values[name] = read_field(value)
        except Fault as fault:
            faults[name] = str(fault)
    if faults:
        raise ValidationFailed(faults)
    return values


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


def choice(value: Any, choices: Collection[str]) -> str:
    if not isinstance(value, str) or value not in choices:
        raise Fault(f"must be one of {', '.join(choices)}")
    return value


def dollars(value: Any, least: int, most: int) -> int:
    """Micro-dollars in "5.00" or 5.00; `least` and `most` are micro-dollars too."""
    if type(value) not in (str, int, float):
        raise Fault("must be dollars, as a string or a number")
    try:
        amount = money.parse(str(value))
    except ValueError:
        raise Fault("must be dollars with at most six decimals, such as 5.00") from None
    if not least <= amount <= most:
        raise Fault(f"must be from {money.display(least)} to {money.display(most)}")
    return amount
