"""Waterfall: the life of a task as bars on one scale, from its acceptance to the customer's receiver."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing.models import Hold
from eggapi import money
from generation import receipt
from generation.models import UNFINISHED, Attempt, Output, Purchase, Task
from webhooks.models import Delivery, DeliveryAttempt

WHOLE = 1000
LEAST = 6  # so that a moment can be seen
LATE = 3  # times the task's own time: what comes after that is told, and not drawn to scale
SHORTEST = timedelta(milliseconds=200)
AT_ONCE = timedelta(seconds=10)
OUTCOMES = {
    receipt.RUNNING: "under way",
    receipt.DELIVERED: "delivered",
    receipt.STOPPED: "the task ended first",
    "unavailable": "the route was not available",
    "refused": "the safety check said no",
    "invalid": "the request could not be served",
    "no_image": "no usable image came of it",
    "no_answer": "it gave no answer in time",
}


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened, or is happening while `until` is None. `look` is a state's: good, bad, info, idle."""

    name: str
    look: str
    note: str
    at: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Bar:
    """A step with its place on the scale, in permille, and in milliseconds since the task was accepted.

    A `late` one lies beyond the scale; `took` is None for a moment.
    """

    step: Step
    start: int
    length: int
    since: int
    took: int | None
    late: bool


@dataclass(frozen=True, slots=True)
class Story:
    """What is known of a task; attempts with their routes and purchases, in order."""

    task: Task
    hold: Hold
    attempts: Sequence[Attempt]
    outputs: Sequence[Output]
    delivery: Delivery | None
    calls: Sequence[DeliveryAttempt]


def read(task: Task) -> Story:
    """In a fixed number of queries."""
    attempts = Attempt.objects.filter(task=task).select_related("route").prefetch_related("purchases").order_by("n")
    delivery = Delivery.objects.filter(event__task_id=task.pk).select_related("event").first()
    return Story(
        task=task,
        hold=Hold.objects.get(pk=task.pk),
        attempts=list(attempts),
        outputs=list(Output.objects.filter(task=task).order_by("index")),
        delivery=delivery,
        calls=list(delivery.log.order_by("n")) if delivery else [],
    )


def bars(story: Story, now: datetime) -> list[Bar]:
    """In the order in which things began; what is under way lasts until now."""
    begin, steps = story.task.created_at, list(_steps(story))
    own = (story.task.completed_at or now) - begin
    ends = [step.until or now for step in steps]
    scale = max([own, SHORTEST, *(end - begin for end in ends if end - begin <= own * LATE)])
    return [_bar(step, begin, scale, now) for step in steps]


def _bar(step: Step, begin: datetime, scale: timedelta, now: datetime) -> Bar:
    end = max(step.until or now, step.at)
    start = min(max(round(WHOLE * ((step.at - begin) / scale)), 0), WHOLE - LEAST)
    length = min(max(round(WHOLE * ((end - step.at) / scale)), LEAST), WHOLE - start)
    took = None if step.until == step.at else _ms(end - step.at)
    return Bar(step, start, length, _ms(step.at - begin), took, step.at - begin > scale)


def _ms(time: timedelta) -> int:
    return round(time / timedelta(milliseconds=1))


# -- the steps -------------------------------------------------------------------------------------


def _steps(story: Story) -> Iterator[Step]:
    task, ended_at = story.task, story.task.completed_at
    yield Step("Accepted", "good", f"{money.display(story.hold.amount)} held", task.created_at, task.created_at)
    first = story.attempts[0].started_at if story.attempts else task.started_at or ended_at
    yield Step("Queued", "info" if first is None else "idle", "", task.created_at, first)
    yield from _tries(story.attempts)
    if ended_at and story.outputs:
        size = sum(output.bytes for output in story.outputs) / 1e6
        yield Step("Stored", "good", f"{_count(len(story.outputs), 'image')}, {size:.1f} MB", ended_at, ended_at)
    if closed_at := story.hold.closed_at:
        captured = story.hold.captured
        note = f"{money.display(captured)}" if captured else f"$0.00, {money.display(story.hold.amount)} given back"
        yield Step("Charged" if captured else "Not charged", "good" if captured else "idle", note, closed_at, closed_at)
    yield from _calls(story)


def _tries(attempts: Sequence[Attempt]) -> Iterator[Step]:
    for attempt in attempts:
        outcome = receipt.outcome_of(attempt)
        why = OUTCOMES[outcome] if attempt is attempts[-1] else f"fell back because {OUTCOMES[outcome]}"
        look = {receipt.RUNNING: "info", receipt.DELIVERED: "good", receipt.STOPPED: "idle"}.get(outcome, "bad")
        note = f"{why}; {_asked(list(attempt.purchases.all()))}"
        yield Step(attempt.route.label, look, note, attempt.started_at, attempt.ended_at)


def _asked(purchases: Sequence[Purchase]) -> str:
    polls = sum(purchase.polls for purchase in purchases)
    return ", ".join([_count(len(purchases), "request"), *([_count(polls, "poll")] if polls else [])])


def _calls(story: Story) -> Iterator[Step]:
    for call in story.calls:
        is_good = call.status is not None and 200 <= call.status < 300
        note = f"HTTP {call.status}" if call.status else call.error or "no answer"
        until = call.at + timedelta(milliseconds=call.milliseconds)
        yield Step(f"Webhook {call.n}", "good" if is_good else "bad", note, call.at, until)


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def is_moving(story: Story, now: datetime) -> bool:
    """Whether it will look different in a moment: while unfinished, and while a webhook is about to be sent."""
    due = story.delivery.next_run_at if story.delivery else None
    return story.task.status in UNFINISHED or bool(due and abs(due - now) < AT_ONCE)
