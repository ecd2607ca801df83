"""How long webhooks are remembered: attempts for 30 days, payloads for 90, and that there was an event for good."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction

from webhooks.models import Delivery, DeliveryAttempt, Event, Secret

ATTEMPTS_KEPT = timedelta(days=30)
PAYLOADS_KEPT = timedelta(days=90)
BATCH = 1000


class Purged(NamedTuple):
    """How many rows went, or were emptied."""

    attempts: int
    payloads: int
    secrets: int


def purge(now: datetime) -> Purged:
    """Deletes old attempts and secrets that expired, and empties old events. A transaction per batch."""
    return Purged(
        attempts=_in_batches(lambda: _delete_attempts(now - ATTEMPTS_KEPT)),
        payloads=_in_batches(lambda: _empty_payloads(now - PAYLOADS_KEPT, now)),
        secrets=Secret.objects.filter(expires_at__lt=now).delete()[0],
    )


def _in_batches(step: Callable[[], int]) -> int:
    total = 0
    while done := step():
        total += done
    return total


def _delete_attempts(before: datetime) -> int:
    """Attempts are numbered about as time goes by, so that the oldest are found without an index of their times."""
    oldest = DeliveryAttempt.objects.order_by("pk").values_list("pk", "at")[:BATCH]
    old = [pk for pk, at in oldest if at < before]
    return DeliveryAttempt.objects.filter(pk__in=old).delete()[0] if old else 0


@transaction.atomic
def _empty_payloads(before: datetime, now: datetime) -> int:
    """What is still on its way by then has been asked for again and again; it ends."""
    old = Event.objects.filter(emptied_at=None, created_at__lt=before).order_by("created_at")
    ids = list(old.values_list("pk", flat=True)[:BATCH])
    Delivery.objects.filter(event__in=ids, next_run_at__isnull=False).end(Delivery.State.STOPPED, "too old")
    return Event.objects.filter(pk__in=ids).update(payload=b"", emptied_at=now)
