"""The fields of /v1's bodies about money, read strictly."""

from collections.abc import Mapping
from typing import Any

from billing import topup
from eggapi import fields, money
from eggapi.fields import Fault, dollars, text

LONGEST_CODE = 64


def code(body: Mapping[str, Any]) -> str:
    """What was typed as a redeem code. Raises ValidationFailed."""
    read: str = fields.read(body, {"code": lambda value: text(value, 1, LONGEST_CODE)}, required=["code"])["code"]
    return read


def amount(body: Mapping[str, Any]) -> int:
    """Micro-dollars to pay in. Raises ValidationFailed."""
    read: int = fields.read(body, {"amount": whole_cents}, required=["amount"])["amount"]
    return read


def whole_cents(value: Any) -> int:
    micros = dollars(value, topup.LEAST, topup.MOST)
    if micros % money.CENT:
        raise Fault("must be whole cents")
    return micros
