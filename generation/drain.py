"""Drain: takes no new tasks, and tells when nothing of the old is left that a shutdown could touch."""

from dataclasses import dataclass

from django.db import transaction

from accounts import auditlog
from accounts.models import User
from eggapi import clock, switches
from generation.models import Attempt, Purchase, Task
from webhooks.models import Delivery

SUBMITS = "submits"
PAUSED = "No new tasks are accepted at the moment"


@dataclass(frozen=True, slots=True)
class Left:
    """What is still to be done: unfinished tasks, purchases under way at vendors, webhooks due or on their way."""

    tasks: int
    purchases: int
    deliveries: int

    @property
    def is_nothing(self) -> bool:
        return not (self.tasks or self.purchases or self.deliveries)


@transaction.atomic
def pause(reason: str, actor: User) -> bool:
    """Refuses new tasks with a 503 that gives the reason, in every process within a second; True where it was on."""
    was_on = switches.pause(SUBMITS, reason, actor.email)
    auditlog.note("switch.pause", SUBMITS, actor, reason=reason)
    return was_on


@transaction.atomic
def resume(actor: User) -> bool:
    """False where tasks were accepted anyway."""
    was_off = switches.resume(SUBMITS)
    if was_off:
        auditlog.note("switch.resume", SUBMITS, actor)
    return was_off


def check() -> None:
    """Raises ServiceUnavailable while new tasks are not accepted."""
    switches.check(SUBMITS, PAUSED)


def left() -> Left:
    live = Purchase.objects.filter(attempt__state=Attempt.State.LIVE)
    paid = live.filter(state__in=(Purchase.State.SUBMITTING, Purchase.State.ACCEPTED, Purchase.State.UNKNOWN))
    deliveries = Delivery.objects.under_way(clock.now())
    return Left(Task.objects.unfinished().count(), paid.count(), deliveries.count())
