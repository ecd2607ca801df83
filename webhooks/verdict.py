"""What an answer means for a delivery: done, over, or when to try again. Pure but for the jitter."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from webhooks.models import Delivery

# From one attempt to the next, as Standard Webhooks suggests: the tenth and last goes out after 75 h 35 min.
WAITS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
JITTER = 0.1
SHORTEST_WISH, LONGEST_WISH = timedelta(seconds=1), timedelta(hours=24)
GONE = 410


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one request: a status, or why there is none. `reply` is the beginning of the body."""

    status: int | None = None
    error: str = ""
    reply: str = ""
    retry_after: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`wait` is the time until the next attempt, None where there is none."""

    state: str
    error: str = ""
    wait: timedelta | None = None


def judge(answer: Answer, attempts: int) -> Verdict:
    """After `attempts` of the schedule's attempts, this one included; below 1 it was made ahead of the schedule.

    Only 2xx is a success: a redirect is not followed.
    """
    if answer.status and 200 <= answer.status < 300:
        return Verdict(Delivery.State.DELIVERED)
    error = answer.error or f"HTTP {answer.status}"
    if answer.status == GONE:
        return Verdict(Delivery.State.STOPPED, error)
    if attempts > len(WAITS):
        return Verdict(Delivery.State.FAILED, error)
    wait = WAITS[max(attempts, 1) - 1] * random.uniform(1 - JITTER, 1 + JITTER)
    return Verdict(Delivery.State.DUE, error, max(wait, _wish(answer.retry_after)))


def _wish(retry_after: str) -> timedelta:
    """What the receiver asked for, in seconds or as a date, within reason; nothing where it cannot be read."""
    try:
        wish = timedelta(seconds=int(retry_after)) if retry_after.isdecimal() else _until(retry_after)
    except OverflowError:
        wish = LONGEST_WISH
    except ValueError:
        return timedelta()
    return min(max(wish, SHORTEST_WISH), LONGEST_WISH)


def _until(date: str) -> timedelta:
    """ValueError where this is no date."""
    moment = parsedate_to_datetime(date)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime.now(UTC)
