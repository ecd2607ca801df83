"""Cancel: the customer's way to end a task. It wins until the task is settled; the vendor hears of it afterwards."""

import asyncio
import logging
from collections.abc import Sequence
from functools import partial

from django.db import connection, transaction

from eggapi.doorbell import ring
from eggapi.http import HttpFailed
from generation import catalog, settle
from generation.catalog import RouteEntry
from generation.models import Breaker, Purchase, Task
from generation.providers.base import Job, Unreadable
from generation.settle import Ending
from generation.transport import Transport

log = logging.getLogger("eggapi.cancel")

ENDED = "canceled"
ERROR = "Canceled: nothing was charged."
TELLING_SECONDS = 20.0


@transaction.atomic
def cancel(task: Task, error: str = ERROR) -> bool:
    """Ends a task as failed and gives its money back; False, and nothing changes, where it has ended already."""
    (won,) = settle.settle([Ending(task, ENDED, error, fenced=False)])
    if won:
        transaction.on_commit(partial(ring, "generation.tasks.withdraw", task_id=task.id))
    return won


def withdraw(task_id: str) -> None:
    """Tells the vendors that a canceled task's jobs are not wanted any more. What they charge is a leak.

    Best effort: a vendor that cannot be told goes on, and what it makes is kept for the operator.
    """
    task = Task.objects.filter(pk=task_id, ended=ENDED).first()
    if task is None:
        return
    # What the customer ended says nothing of the way: the next task may be the probe.
    Breaker.objects.filter(probe__startswith=f"{task_id}.").update(probe="", probe_until=None)
    bought = Purchase.objects.filter(attempt__task=task, state=Purchase.State.ACCEPTED).select_related("attempt")
    routes = catalog.current().routes
    jobs = [(routes[purchase.attempt.route_id], purchase) for purchase in bought]
    connection.close()
    if jobs:
        asyncio.run(_tell(task, jobs))


async def _tell(task: Task, jobs: Sequence[tuple[RouteEntry, Purchase]]) -> None:
    transport = Transport()
    try:
        await asyncio.gather(*(_tell_one(transport, task, entry, purchase) for entry, purchase in jobs))
    finally:
        await transport.close()


async def _tell_one(transport: Transport, task: Task, entry: RouteEntry, purchase: Purchase) -> None:
    job = Job(client_ref=purchase.client_ref, model=entry.upstream_model, prompt=task.prompt)
    try:
        async with asyncio.timeout(TELLING_SECONDS):
            await transport.converse(entry.adapter, entry.adapter.cancel(job, purchase.upstream_id), paid=False)
    except (HttpFailed, Unreadable, TimeoutError) as error:
        log.warning(
            "not withdrawn",
            extra={"task": task.id, "provider": entry.provider, "error_type": type(error).__name__},
        )
