"""Money is a plain int of micro-dollars ($1 = 1,000,000); text exists only at the edges of the system."""

import re
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import models

MICROS = 1_000_000
CENT = MICROS // 100
LARGEST = 2**63 - 1
MOST = Decimal(LARGEST) / MICROS
AMOUNT = re.compile(r"(?P<sign>-?)\$?(?P<number>[0-9]+(\.[0-9]+)?(e-?[0-9]{1,3})?)")


def parse(text: str) -> int:
    """Micro-dollars in a decimal number of dollars such as "5", "$0.016", "-$1.50" or "1e-05".

    Raises ValueError for anything else, for more than six decimals and for what BIGINT cannot hold.
    """
    amount = AMOUNT.fullmatch(text.strip())
    dollars = Decimal(amount["sign"] + amount["number"]) if amount else None
    # Checked before any arithmetic, which would round to 28 digits without a word.
    if dollars is None or not -MOST <= dollars <= MOST or dollars != round(dollars, 6):
        raise ValueError(f"{text[:40]!r} is not an amount of dollars with at most six decimals")
    return int(dollars * MICROS)


def bare(micros: int) -> str:
    """Six decimals and no sign of the currency: "0.016000"."""
    sign, micros = ("-", -micros) if micros < 0 else ("", micros)
    return f"{sign}{micros // MICROS}.{micros % MICROS:06d}"


def display(micros: int) -> str:
    """Four decimals, or six where four would round: "$0.0100", "$0.000015"; zero is "$0.00"."""
    if micros == 0:
        return "$0.00"
    text = bare(abs(micros))
    return ("-$" if micros < 0 else "$") + text.removesuffix("00")


def short(micros: int) -> str:
    """As people write it: "$5.00", with more decimals only where it needs them."""
    text = display(micros)
    return text.removesuffix("00") if micros else text


class DollarsInput(forms.CharField):
    """Dollars on a form; micro-dollars behind it, from `least` to `most`, or None for an empty one."""

    def __init__(self, *args: Any, least: int = -LARGEST, most: int = LARGEST, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.least, self.most = least, most

    def prepare_value(self, value: Any) -> Any:
        return short(value) if type(value) is int else value

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        try:
            return parse(text) if text else None
        except ValueError as error:
            raise ValidationError(f"{error}.") from None

    def validate(self, value: Any) -> None:
        super().validate(value)
        if value is not None and not self.least <= value <= self.most:
            raise ValidationError(f"This must be from {short(self.least)} to {short(self.most)}.")


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

    def formfield(self, **kwargs: Any) -> Any:
        return models.Field.formfield(self, **{"form_class": DollarsInput, **kwargs})


def usd(micros: int) -> models.Value:
    """An amount to stand beside F("held") in an expression.

    Never write the bare int there: Django binds it as a 32-bit number on PostgreSQL, where anything
    above $2,147.48 silently wraps around.
    """
    return models.Value(micros, output_field=UsdField())
