"""Story: everything that happened to a task, in order, for operators: it names providers and what they cost."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from billing.models import Hold, LedgerEntry
from eggapi import money
from generation.models import Attempt, Purchase, Task
from webhooks.models import DeliveryAttempt, Event


@dataclass(frozen=True, slots=True)
class Line:
    """`cost` and `leak` in micro-dollars, None where there is none; `took` None for a moment, or while it lasts."""

    at: datetime
    kind: str
    title: str
    state: str
    note: str = ""
    took: timedelta | None = None
    cost: int | None = None
    leak: int | None = None


def tell(task: Task) -> list[Line]:
    """In a fixed number of queries. Nothing of it is what the customer wrote."""
    lines = [Line(task.created_at, "task", "Accepted", "accepted", f"asked for: {task.num_outputs}")]
    lines += _tries(task)
    lines += _money(task)
    lines += _calls(task)
    if task.completed_at:
        lines.append(Line(task.completed_at, "task", "Ended", task.status, task.ended))
    order = ("task", "attempt", "purchase", "money", "webhook")
    return sorted(lines, key=lambda line: (line.at, order.index(line.kind)))


def _tries(task: Task) -> Iterator[Line]:
    attempts = Attempt.objects.filter(task=task).select_related("route__model", "route__provider").order_by("n")
    for attempt in attempts.prefetch_related("purchases"):
        note = ": ".join(filter(None, [attempt.outcome, attempt.message]))
        took = attempt.ended_at - attempt.started_at if attempt.ended_at else None
        title = f"Attempt {attempt.n}, {attempt.route.label}, {attempt.route} {attempt.route.upstream_model}"
        yield Line(attempt.started_at, "attempt", title, attempt.state, note, took)
        for purchase in sorted(attempt.purchases.all(), key=lambda each: each.index):
            yield _bought(purchase)


def _bought(purchase: Purchase) -> Line:
    upstream = purchase.upstream_id or purchase.hint
    parts = [
        purchase.outcome,
        purchase.message,
        f"upstream id {upstream}" if upstream else "",
        f"polls: {purchase.polls}" if purchase.polls else "",
        f"images: {len(purchase.images)} of {purchase.images_asked}",
    ]
    note = "; ".join(filter(None, parts))
    title = f"Purchase {purchase.client_ref}"
    return Line(
        purchase.sent_at, "purchase", title, purchase.state, note, cost=purchase.cost, leak=purchase.leak or None
    )


def _money(task: Task) -> Iterator[Line]:
    if hold := Hold.objects.filter(pk=task.pk).first():
        yield Line(hold.created_at, "money", f"Hold of {money.display(hold.amount)}", hold.state)
    for entry in LedgerEntry.objects.filter(task_id=task.pk).order_by("pk"):
        title = f"Ledger entry {entry.pk}: {entry.kind} {money.display(entry.amount)}"
        yield Line(entry.created_at, "money", title, "written", entry.reason)


def _calls(task: Task) -> Iterator[Line]:
    for event in Event.objects.filter(task_id=task.pk):
        yield Line(event.created_at, "webhook", f"Event {event.pk}", event.type)
    for call in DeliveryAttempt.objects.filter(delivery__event__task_id=task.pk).order_by("n"):
        took = timedelta(milliseconds=call.milliseconds)
        state = f"HTTP {call.status}" if call.status else "no answer"
        yield Line(call.at, "webhook", f"Webhook attempt {call.n}", state, call.error, took)
