"""Money is a plain int of micro-dollars ($1 = 1,000,000); text exists only at the edges of the system."""

from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

MICROS = 1_000_000
LARGEST = 2**63 - 1


def parse(text: str) -> int:
    """Micro-dollars in a decimal number of dollars such as "5", "$0.016" or "-1.50".

    Raises ValueError for anything else, for more than six decimals and for what BIGINT cannot hold.
    """
    try:
        micros = Decimal(text.strip().removeprefix("$")) * MICROS
    except InvalidOperation:
        raise ValueError(f"{text!r} is not an amount of dollars") from None
    if not micros.is_finite() or micros != micros.to_integral_value() or abs(micros) > LARGEST:
        raise ValueError(f"{text!r} is not an amount of dollars with at most six decimals")
    return int(micros)


def bare(micros: int) -> str:
    """Six decimals and no sign of the currency: "0.016000"."""
    sign, micros = ("-", -micros) if micros < 0 else ("", micros)
    return f"{sign}{micros // MICROS}.{micros % MICROS:06d}"


def display(micros: int) -> str:
    """"$0.00" for zero, else four decimals, or six where four would round: "$0.0100", "$0.000015"."""
    if micros == 0:
        return "$0.00"
    text = bare(abs(micros))
    return ("-$" if micros < 0 else "$") + text.removesuffix("00")


class UsdField(models.BigIntegerField):
    """A column of micro-dollars that takes nothing but an int.

    A column that converts would let `F("held") + Decimal("0.01")` store 0 on PostgreSQL and 0.01 on
    SQLite without a word.
    """

    def get_prep_value(self, value: Any) -> Any:
        if hasattr(value, "resolve_expression"):
            return value
        if value is not None and type(value) is not int:
            raise TypeError(f"{self.name} takes an int of micro-dollars, not {value!r}")
        return value

    def to_python(self, value: Any) -> int | None:
        if value is None or type(value) is int:
            return value
        raise ValidationError(f"{value!r} is not an int of micro-dollars")
