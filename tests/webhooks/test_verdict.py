"""What an answer means: done, over, or when to try again."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from webhooks.verdict import WAITS, Answer, Verdict, judge

SECOND, DAY = timedelta(seconds=1), timedelta(hours=24)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_it_works(status: int) -> None:
    assert judge(Answer(status), 1) == Verdict("delivered")


@pytest.mark.parametrize("attempts", [1, 10])
def test_gone_means_stop(attempts: int) -> None:
    assert judge(Answer(410), attempts) == Verdict("stopped", "HTTP 410")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(300), "HTTP 300"),
        (Answer(308), "HTTP 308"),
        (Answer(401), "HTTP 401"),
        (Answer(503), "HTTP 503"),
        (Answer(error="timeout"), "timeout"),
    ],
)
def test_anything_else_is_tried_again(answer: Answer, error: str) -> None:
    verdict = judge(answer, 1)
    assert (verdict.state, verdict.error) == ("due", error)
    assert 4.5 * SECOND <= (verdict.wait or DAY) <= 5.5 * SECOND


def test_ten_attempts_spread_over_75_hours() -> None:
    assert sum(WAITS, timedelta()) == timedelta(hours=75, minutes=35, seconds=5)
    for attempts, wait in enumerate(WAITS, start=1):
        waits = {judge(Answer(500), attempts).wait or DAY * 9 for _ in range(50)}
        assert 0.9 * wait <= min(waits) < max(waits) <= 1.1 * wait
    assert judge(Answer(500), 10) == Verdict("failed", "HTTP 500")


@pytest.mark.parametrize(
    ("retry_after", "wait"),
    [
        ("120", 120 * SECOND),
        ("86400", DAY),
        ("315360000", DAY),
        ("9" * 1000, DAY),
    ],
)
def test_a_receiver_may_ask_for_more_time(retry_after: str, wait: timedelta) -> None:
    assert judge(Answer(429, retry_after=retry_after), 1).wait == wait


def test_a_receiver_may_name_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    wait = judge(Answer(503, retry_after=date), 1).wait
    assert wait
    assert abs(wait - timedelta(hours=1)) < 5 * SECOND


@pytest.mark.parametrize(
    "retry_after",
    [
        "",
        "0",
        "1",
        "-5",
        "soon",
        "1e9",
        "1.5",
        "Wed, 21 Oct 2015 07:28:00 GMT",
        "Wed, 21 Oct 2015 07:28:00",
        "9" * 5000,
    ],
)
def test_nothing_sensible_shortens_the_schedule(retry_after: str) -> None:
    wait = judge(Answer(500, retry_after=retry_after), 1).wait
    assert 4.5 * SECOND <= (wait or DAY) <= 5.5 * SECOND
