"""Retention: what was stored for finished tasks goes when its time has come, and old requests are forgotten.

All of it may run twice, at once, and be killed anywhere: a row says that its files are there until they are gone.
"""

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection, transaction

from accounts import invitations, links
from eggapi import alerts, clock
from eggapi.alerts import Raised
from generation import closure, export, privacy, storage, uploads
from generation.models import Task
from webhooks.models import Delivery

log = logging.getLogger("eggapi.retention")

BATCH = 500
ALERT = "purge"
SALVAGE_KEPT = timedelta(days=7)
ZERO_KEPT = timedelta(hours=1)
IDEMPOTENCY_KEPT = timedelta(hours=48)
RETRY = timedelta(hours=1)


class Purged(NamedTuple):
    """How many tasks lost their files, and how many requests can be sent again as new ones."""

    tasks: int
    requests: int


def purge_at(task: Task, now: datetime) -> datetime:
    """When the files of a task that ends now are to go; `expires_at` is set if it has any to deliver."""
    if task.zero_retention:
        return now + ZERO_KEPT
    return task.expires_at or now + SALVAGE_KEPT


def purge() -> Purged:
    """Does all that is due, in batches."""
    now = clock.now()
    links.purge(now)
    invitations.purge(now)
    export.purge(now)
    closure.empty_due(now)
    uploads.purge(now)
    return Purged(tasks=sum(_purge_files(now)), requests=sum(_forget_requests(now)))


def _forget_requests(now: datetime) -> Iterator[int]:
    old = Task.objects.filter(idempotency_key__isnull=False, created_at__lt=now - IDEMPOTENCY_KEPT)
    while ids := list(old.order_by("created_at").values_list("pk", flat=True)[:BATCH]):
        yield Task.objects.filter(pk__in=ids).update(idempotency_key=None, request_digest=b"")


# -- files -----------------------------------------------------------------------------------------


def _purge_files(now: datetime) -> Iterator[int]:
    """How many tasks each batch freed of their files. Ends where one cannot be: the storage may be away."""
    while batch := _claim(now, until := clock.now() + RETRY):
        ready = _delivered(batch, now)
        privacy.wipe([task.pk for task in ready if task.zero_retention or task.wiped_at], now)
        gone = _remove(ready)
        with transaction.atomic():
            # Unless somebody meanwhile deleted the task, and wants the folder looked at again.
            Task.objects.filter(pk__in=gone, purge_at=until).update(purge_at=None)
            privacy.removed(gone)
        yield len(gone)
        if len(gone) < len(ready):
            untried = [task.pk for task in ready[len(gone) + 1 :]]
            Task.objects.filter(pk__in=untried, purge_at=until).update(purge_at=now)
            return
    alerts.end([ALERT])


@transaction.atomic
def _claim(now: datetime, until: datetime) -> list[Task]:
    """A batch of what is due, which no other run takes: it falls due again at `until`, should this one be killed."""
    due = Task.objects.filter(purge_at__lte=now).order_by("purge_at")
    if connection.features.has_select_for_update_skip_locked:
        due = due.select_for_update(skip_locked=True)
    columns = ("path_token", "zero_retention", "wiped_at", "completed_at", "expires_at", "webhook_url")
    batch = list(due.only(*columns)[:BATCH])
    Task.objects.filter(pk__in=[task.pk for task in batch]).update(purge_at=until)
    return batch


def _remove(tasks: Sequence[Task]) -> list[str]:
    """The tasks whose files are gone, up to the first where that fails: it is due again after the others."""
    gone = []
    for task in tasks:
        try:
            storage.remove(task.pk, task.path_token)
        except Exception as error:  # the storage is ours to choose, and so are the exceptions it raises
            log.warning("files not removed", extra={"task": task.pk}, exc_info=error)
            alerts.report([Raised(ALERT, f"The files of {task.pk} cannot be removed: {type(error).__name__}")])
            break
        gone.append(task.pk)
    return gone


def _delivered(batch: Sequence[Task], now: datetime) -> list[Task]:
    """Those of the batch whose time has come; the others are put off.

    With zero retention a receiver has an hour from its webhook to fetch the pictures. A webhook that is not
    delivered is waited for until the pictures expire as any others would.
    """
    waiting = {task.pk: task for task in batch if task.zero_retention and task.webhook_url and not task.wiped_at}
    deliveries = Delivery.objects.filter(event__task_id__in=waiting)
    later = {
        task_id: until
        for task_id, delivered_at, next_run_at in deliveries.values_list(
            "event__task_id", "delivered_at", "next_run_at"
        )
        if (until := _due_again(waiting[str(task_id)], delivered_at, next_run_at, now)) > now
    }
    for task_id, until in later.items():
        Task.objects.filter(pk=task_id).update(purge_at=until)
    return [task for task in batch if task.pk not in later]


def _due_again(task: Task, delivered_at: datetime | None, next_run_at: datetime | None, now: datetime) -> datetime:
    assert task.completed_at, "only tasks that have ended are due"
    until = delivered_at + ZERO_KEPT if delivered_at else now + RETRY if next_run_at else now
    return min(until, task.expires_at or task.completed_at + SALVAGE_KEPT)
