"""Stuck: unfinished tasks that take longer than they should, and what operators can do about one.

Each verb goes by the same guards as the engine: nothing is bought twice, and a task ends once.
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q

from accounts import auditlog
from accounts.models import User
from eggapi import clock
from eggapi.doorbell import ring
from generation import cancel, performance, save
from generation.engine import SUSPECT_AFTER
from generation.models import LEASE, Attempt, Purchase, Status, Task
from generation.providers.base import Outcome
from generation.save import Progress

TIMES = 3  # what nineteen of twenty tasks of the model take
LEAST = timedelta(seconds=30)
STOPPED = "Stopped by the operator: nothing was charged."
MOVED_ON = "moved on by the operator"


def slow_after(now: datetime) -> dict[str, timedelta]:
    """By model, how long after its acceptance a task is stuck; a model without a task in the last day is missing."""
    return {model: max(TIMES * usual, LEAST) for model, usual in performance.slow_after(now).items()}


def condition(now: datetime) -> Q:
    """What stuck tasks have in common; to be applied to unfinished ones."""
    found = Q(claims_without_progress__gte=SUSPECT_AFTER) | Q(lease_until__lt=now)
    for model, long in slow_after(now).items():
        found |= Q(model=model, status=Status.PROCESSING, created_at__lt=now - long)
    return found


@transaction.atomic
def poll_now(task: Task, actor: User) -> bool:
    """Makes a task that waits due at once; False where it does not wait."""
    now = clock.now()
    waiting = Task.objects.unfinished().filter(pk=task.pk, next_run_at__gt=now)
    if not waiting.update(next_run_at=now):
        return False
    auditlog.note("task.poll", task.pk, actor, task.account)
    transaction.on_commit(lambda: ring("generation.tasks.advance"))
    return True


@transaction.atomic
def fail(task: Task, actor: User) -> bool:
    """Ends a task as a cancel does, and gives its money back; False where it has ended already."""
    if not cancel.cancel(task, STOPPED):
        return False
    auditlog.note("task.fail", task.pk, actor, task.account)
    return True


@transaction.atomic
def move_on(task: Task, actor: User) -> bool:
    """Ends the attempt under way as the engine would, so that the next route is taken; False where that cannot be.

    It needs the task's lease, so a task that is being worked on is left alone, and so is one that has pictures. What
    the vendor was paid is a leak; what it still delivers is lost, and that purchase is never sent again.
    """
    if not _lease(task):
        return False
    attempt = Attempt.objects.filter(task=task, state=Attempt.State.LIVE).first()
    purchases = list(Purchase.objects.filter(attempt=attempt).order_by("index")) if attempt else []
    if attempt is None or any(purchase.images for purchase in purchases):
        transaction.set_rollback(True)
        return False
    for purchase in purchases:
        _give_up(purchase)
    attempt.bought, attempt.outcome, attempt.message = purchases, Outcome.RETRYABLE, MOVED_ON
    save.end_attempt([Progress(task, attempt=attempt)])
    save.pause([Progress(task)])
    auditlog.note("task.move_on", task.pk, actor, task.account, attempt=attempt.n, route=str(attempt.route))
    transaction.on_commit(lambda: ring("generation.tasks.advance"))
    return True


def _lease(task: Task) -> bool:
    """Takes the task as the engine does, with a token that makes void whatever a worker still writes."""
    now = clock.now()
    free = Task.objects.unfinished().filter(Q(lease_until=None) | Q(lease_until__lt=now), pk=task.pk)
    if not free.update(lease_until=now + LEASE, lease_token=F("lease_token") + 1):
        return False
    task.refresh_from_db()
    return True


def _give_up(purchase: Purchase) -> None:
    purchase.is_excused = True  # whatever the vendor does, this was not its doing
    if not purchase.is_open:
        return
    known = purchase.state == Purchase.State.ACCEPTED
    purchase.state = Purchase.State.FAILED if known else Purchase.State.UNKNOWN
    purchase.outcome = Outcome.RETRYABLE if known else Outcome.UNKNOWN
    purchase.message, purchase.give_up_at = MOVED_ON, None
