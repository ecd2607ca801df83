"""Periods of the usage page, as its address names them."""

from datetime import date

import pytest

from billing import report

TODAY = date(2026, 11, 21)


@pytest.mark.parametrize(
    ("query", "first", "last"),
    [
        ({}, date(2026, 10, 23), TODAY),
        ({"period": "7d"}, date(2026, 11, 15), TODAY),
        ({"period": "90d"}, date(2026, 8, 24), TODAY),
        ({"period": "month"}, date(2026, 11, 1), TODAY),
        ({"period": "custom", "from": "2026-02-01", "to": "2026-02-28"}, date(2026, 2, 1), date(2026, 2, 28)),
        ({"from": "2026-11-20"}, date(2026, 11, 20), TODAY),
    ],
)
def test_it_works(query: dict[str, str], first: date, last: date) -> None:
    period = report.period_of(query, TODAY)
    assert (period.first, period.last, period.fault) == (first, last, "")


@pytest.mark.parametrize(
    "query",
    [
        {"period": "year"},
        {"period": "custom"},
        {"from": "2026-02-30"},
        {"from": "2026-05-02", "to": "2026-05-01"},
        {"from": "2020-01-01", "to": "2026-01-01"},
        {"from": "\0", "to": "20260101"},
    ],
)
def test_garbage_is_the_usual_and_said_to_be(query: dict[str, str]) -> None:
    period = report.period_of(query, TODAY)
    assert (period.name, period.first, period.last) == ("30d", date(2026, 10, 23), TODAY)
    assert period.fault


def test_the_period_before_is_as_long() -> None:
    before = report.period_of({"period": "7d"}, TODAY).before
    assert (before.first, before.last) == (date(2026, 11, 8), date(2026, 11, 14))
