"""Privacy: forgetting what a customer sent and what was drawn for it. What it cost stays."""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models.functions import Coalesce

from eggapi import clock
from eggapi.errors import BadRequest, ServiceUnavailable
from generation import storage
from generation.models import UNFINISHED, Attempt, Output, Purchase, Task
from webhooks import forgetting

log = logging.getLogger("eggapi.privacy")

LATE = timedelta(minutes=10)  # a paid call that outlived its task may store pictures for some minutes yet


def delete(task: Task) -> None:
    """Forgets a finished task at once: its words, its pictures and what webhooks told of it.

    Raises BadRequest while it is not finished, and ServiceUnavailable where the pictures are not gone yet:
    they will be once the storage is back, and asking again says so.
    """
    if task.status in UNFINISHED:
        raise BadRequest("This task has not ended: cancel it first.")
    now = clock.now()
    with transaction.atomic():
        wipe([task.pk], now)
        Task.objects.filter(pk=task.pk).update(purge_at=now + LATE)
    try:
        storage.remove(task.pk, task.path_token)
    except Exception as error:  # the storage is ours to choose, and so are the exceptions it raises
        log.warning("files not removed", extra={"task": task.pk}, exc_info=error)
        raise ServiceUnavailable(
            "The prompt is deleted; the pictures cannot be at the moment.", retry_after=60
        ) from None
    removed([task.pk])


def wipe(task_ids: Sequence[str], now: datetime) -> None:
    """Empties everything that customers, or vendors speaking of it, put into these tasks; in one transaction."""
    with transaction.atomic():
        Task.objects.filter(pk__in=task_ids).update(
            prompt="", negative_prompt="", image_urls=[], metadata=None, wiped_at=Coalesce("wiped_at", now)
        )
        Attempt.objects.filter(task_id__in=task_ids).update(message="")
        # Some ids of vendors hold the request itself.
        Purchase.objects.filter(attempt__task_id__in=task_ids).update(message="", upstream_id="", hint="")
        forgetting.forget_tasks(task_ids, now)


def removed(task_ids: Sequence[str]) -> None:
    """Notes that the files of these tasks are gone. The rows stay: what was charged follows from their number."""
    Output.objects.filter(task_id__in=task_ids).update(path="")
    Purchase.objects.filter(attempt__task_id__in=task_ids).exclude(images=[]).update(images=[])
