from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from eggapi import money
from eggapi.money import UsdField

pytestmark = pytest.mark.once

micros = st.integers(-money.LARGEST, money.LARGEST)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("5", 5_000_000),
        ("$0.016", 16_000),
        ("-1.50", -1_500_000),
        ("-$1.50", -1_500_000),
        (" 0.000001 ", 1),
        ("0", 0),
        ("1e-05", 10),
        ("9223372036854.775807", 2**63 - 1),
        ("-9223372036854.775807", 1 - 2**63),
    ],
)
def test_it_works(text: str, amount: int) -> None:
    assert money.parse(text) == amount


@pytest.mark.parametrize(
    "text",
    [
        "",
        "$",
        "-",
        "five",
        "5$",
        "$$5",
        "$-5",
        "+5",
        "5.",
        ".5",
        "1,5",
        "1_000",
        "1 000",
        "٣",
        "0x10",
        "NaN",
        "Infinity",
    ],
)
def test_it_rejects_what_is_no_amount(text: str) -> None:
    with pytest.raises(ValueError, match="is not an amount of dollars"):
        money.parse(text)


@pytest.mark.parametrize("text", ["0.0000001", "1." + "0" * 40 + "1", "1e-7"])
def test_it_rejects_more_than_six_decimals(text: str) -> None:
    with pytest.raises(ValueError, match="is not an amount of dollars"):
        money.parse(text)


@pytest.mark.parametrize("text", ["9223372036854.775808", "-9223372036854.775808", "1e13", "9e999999", "9" * 5000])
def test_it_rejects_what_a_column_cannot_hold(text: str) -> None:
    with pytest.raises(ValueError, match="is not an amount of dollars"):
        money.parse(text)


@given(micros)
def test_what_is_shown_reads_back(amount: int) -> None:
    assert money.parse(money.display(amount)) == money.parse(money.bare(amount)) == amount


@given(st.text())
def test_it_reads_any_text_or_rejects_it(text: str) -> None:
    with suppress(ValueError):
        assert abs(money.parse(text)) <= money.LARGEST


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "$0.00"),
        (10_000, "$0.0100"),
        (16_000, "$0.0160"),
        (100_000_000, "$100.0000"),
        (15, "$0.000015"),
        (1_234_560, "$1.234560"),
        (-1_500_000, "-$1.5000"),
    ],
)
def test_it_shows_four_decimals_or_six(amount: int, text: str) -> None:
    assert money.display(amount) == text


@given(micros)
def test_it_shows_exactly_what_there_is(amount: int) -> None:
    assert Decimal(money.bare(amount)) * money.MICROS == amount


def test_it_shows_cents_where_that_is_exact() -> None:
    shown = ["$5.00", "$0.00", "-$1.50", "$0.0160", "$0.000015"]
    assert [money.short(amount) for amount in (5_000_000, 0, -1_500_000, 16_000, 15)] == shown


def test_it_shows_bare_dollars() -> None:
    assert [money.bare(amount) for amount in (16_000, 0, -5, 2_000_000)] == [
        "0.016000",
        "0.000000",
        "-0.000005",
        "2.000000",
    ]


@pytest.mark.parametrize("value", [Decimal("0.01"), Decimal(1), 1.0, 0.01, True, "1"])
def test_the_column_takes_nothing_but_an_int(value: Any) -> None:
    with pytest.raises(TypeError, match="takes an int of micro-dollars"):
        UsdField().get_prep_value(value)
    with pytest.raises(ValidationError):
        UsdField().to_python(value)


@pytest.mark.parametrize("value", [0, -1, money.LARGEST, None])
def test_the_column_takes_an_int(value: int | None) -> None:
    assert UsdField().get_prep_value(value) == UsdField().to_python(value) == value
