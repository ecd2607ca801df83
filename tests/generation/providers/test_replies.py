"""What is read from any vendor's answer, whatever it holds."""

from datetime import UTC, datetime, timedelta

import pytest

from generation.providers.base import Reply

NOW = "Sat, 21 Nov 2026 10:00:00 GMT"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("Sat, 21 Nov 2026 10:00:30 GMT", 30.0),
        ("Sat, 21 Nov 2026 09:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1e400", None),
        ("NaN", None),
        ("\u0663", None),
        ("Fri, 31 Dec 99999999999999999999 23:59:59 GMT", None),
    ],
)
def test_when_to_come_back_is_a_number_or_a_date(header: str, seconds: float | None) -> None:
    assert Reply(429, {"Retry-After": header, "Date": NOW}, b"").retry_after == seconds


@pytest.mark.parametrize("header", ["9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_no_wait_leaves_the_calendar(header: str) -> None:
    wait = Reply(429, {"Retry-After": header, "Date": "Thu, 01 Jan 1970 00:00:00 GMT"}, b"").retry_after
    assert wait is not None
    assert datetime.now(UTC) + timedelta(seconds=wait) > datetime.now(UTC)


def test_a_null_says_nothing() -> None:
    assert Reply(200, {}, b'{"error": {"message": null}}').said("error", "message") == ""
