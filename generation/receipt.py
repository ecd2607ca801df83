"""Receipt: what became of a task and of the money held for it, in words that name no provider."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from billing.models import Hold, LedgerEntry
from generation.models import Attempt, Price, Task
from generation.providers.base import Outcome

# The list of what an attempt can come to is closed.
RUNNING, DELIVERED, STOPPED = "running", "delivered", "stopped"
FAILURES = {
    Outcome.RETRYABLE: "unavailable",
    Outcome.ROUTE_DOWN: "unavailable",
    Outcome.REFUSED: "refused",
    Outcome.INVALID: "invalid",
    Outcome.NO_IMAGE: "no_image",
    Outcome.UNKNOWN: "no_answer",
}
OUTCOMES = (RUNNING, DELIVERED, STOPPED, *dict.fromkeys(FAILURES.values()))


@dataclass(frozen=True, slots=True)
class AttemptLine:
    """An attempt: the public label of its route, what it came to, and when."""

    route: str
    outcome: str
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """Amounts in micro-dollars: `held` is captured or released once the task has ended, `refunded` comes later.

    `price` is the rule that the unit price was read from.
    """

    task: Task
    held: int
    captured: int
    released: int
    refunded: int
    price: Price | None
    attempts: Sequence[AttemptLine]


def read(task: Task) -> Receipt:
    attempts = Attempt.objects.filter(task=task).select_related("route").order_by("n")
    return of(task, Hold.objects.get(pk=task.id), attempts)


def of(task: Task, hold: Hold, attempts: Iterable[Attempt]) -> Receipt:
    """For whom has read the task's hold, and its attempts in order with their routes."""
    refund = LedgerEntry.objects.filter(task_id=task.id, kind=LedgerEntry.Kind.REFUND).first()
    is_open = hold.state == Hold.State.OPEN
    return Receipt(
        task=task,
        held=hold.amount,
        captured=hold.captured,
        released=0 if is_open else hold.amount - hold.captured,
        refunded=refund.amount if refund else 0,
        price=task.price,
        attempts=[_line(attempt) for attempt in attempts],
    )


def _line(attempt: Attempt) -> AttemptLine:
    return AttemptLine(attempt.route.label, outcome_of(attempt), attempt.started_at, attempt.ended_at)


def outcome_of(attempt: Attempt) -> str:
    """One of OUTCOMES."""
    if attempt.state == Attempt.State.LIVE:
        return RUNNING
    if attempt.state == Attempt.State.DONE:
        return DELIVERED
    return FAILURES[Outcome(attempt.outcome)] if attempt.outcome else STOPPED
