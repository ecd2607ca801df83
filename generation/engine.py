"""The engine: claims due tasks in batches and drives them concurrently. It knows nothing of Celery."""

import asyncio
import logging
import os
import socket
import threading
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import F

from eggapi import clock, rows
from eggapi.loop import Loop
from generation import catalog, save, settle
from generation.claim import Claim
from generation.models import (
    LEASE,
    MOST_CLAIMS_WITHOUT_PROGRESS,
    UNFINISHED,
    Attempt,
    Heartbeat,
    Purchase,
    Task,
    TaskQuerySet,
)
from generation.process import Driver
from generation.settle import Ending
from generation.transport import Transport

log = logging.getLogger("eggapi.engine")

CAPACITY = 2000
SUSPECT_AFTER = 2
HEARTBEAT_SECONDS = 5.0
WORKER = f"{socket.gethostname()}:{os.getpid()}"


class TaskWork:
    """Tasks, as an eggapi.loop.Loop works on them."""

    name = "engine"
    capacity = CAPACITY

    async def open(self, loop: "Loop[Claim]") -> None:
        self._transport = Transport()
        self._driver = Driver(loop.desk.call, self._transport, lambda: loop.stopping)
        self._heart = asyncio.create_task(self._beat(loop))

    async def close(self) -> None:
        self._heart.cancel()
        await self._transport.close()

    async def drive(self, claim: Claim) -> float | None:
        return await self._driver.drive(claim)

    def must_finish(self, claim: Claim) -> bool:
        return claim.paying

    def claim(self, rooms: list[int]) -> Sequence[Sequence[Claim]]:
        return [_claim(room, suspects=False) for room in rooms]

    def claim_suspect(self, rooms: list[int]) -> Sequence[Sequence[Claim]]:
        return [_claim(1, suspects=True) for _ in rooms]

    def renew(self, claims: list[Claim]) -> Sequence[bool]:
        return _change(claims, "lease_until = %s", clock.now() + LEASE)

    def release(self, claims: list[Claim]) -> Sequence[bool]:
        return _change(claims, "lease_until = NULL, next_run_at = %s, claims_without_progress = 0", clock.now())

    def give_back(self, claims: list[Claim]) -> Sequence[None]:
        """After an exception: due again later, and later each time it comes to nothing."""
        now = clock.now()
        for claim in claims:
            pause = timedelta(seconds=2**claim.task.claims_without_progress)
            _ours(claim).update(lease_until=None, next_run_at=min(now + pause, claim.task.deadline_at))
        return [None] * len(claims)

    async def _beat(self, loop: "Loop[Claim]") -> None:
        while True:
            try:
                await loop.desk.call(_heartbeat, WORKER)
            except Exception as error:  # the database comes back; a worker without a heartbeat would look dead for good
                log.error("no heartbeat", exc_info=error)
            await asyncio.sleep(HEARTBEAT_SECONDS)


def _ours(claim: Claim) -> TaskQuerySet:
    return Task.objects.filter(pk=claim.task.pk, lease_token=claim.task.lease_token, status__in=UNFINISHED)


def _change(claims: Sequence[Claim], assignments: str, at: datetime) -> list[bool]:
    """Of the tasks whose lease is still held: one given back a moment ago, with the step just ending, stays so."""
    changed = rows.update(
        Task,
        ("token",),
        [(claim.task.id, claim.task.lease_token) for claim in claims],
        f"SET {assignments} FROM new WHERE {save.OURS} AND old.lease_until IS NOT NULL",
        [rows.moment(at)],
    )
    return [claim.task.id in changed for claim in claims]


def _claim(room: int, *, suspects: bool) -> list[Claim]:
    """Leases up to `room` due tasks. Suspects are those whose earlier claims never came to a save:
    they may have killed their process, so they are claimed, and driven, alone."""
    now = clock.now()
    due = Task.objects.due(now)
    due = (
        due.filter(claims_without_progress__gte=SUSPECT_AFTER)
        if suspects
        else due.filter(claims_without_progress__lt=SUSPECT_AFTER)
    )
    if connection.features.has_select_for_update_skip_locked:
        due = due.select_for_update(skip_locked=True)
    tasks = list(due.order_by("next_run_at")[:room])
    if not tasks:
        return []
    Task.objects.filter(pk__in=[task.pk for task in tasks]).update(
        lease_until=now + LEASE,
        lease_token=F("lease_token") + 1,
        claims_without_progress=F("claims_without_progress") + 1,
    )
    for task in tasks:
        task.lease_token += 1
        task.claims_without_progress += 1
    poison = [task for task in tasks if task.claims_without_progress > MOST_CLAIMS_WITHOUT_PROGRESS]
    if poison:
        settle.settle([Ending(task, "internal_error", "Something went wrong on our side.") for task in poison])
    return _load([task for task in tasks if task not in poison], now)


def _load(tasks: list[Task], now: datetime) -> list[Claim]:
    routes = catalog.current().routes
    attempts: dict[str, list[Attempt]] = defaultdict(list)
    begun = [task.pk for task in tasks if task.started_at]
    if begun:
        by_id = {attempt.pk: attempt for attempt in Attempt.objects.filter(task_id__in=begun).order_by("task_id", "n")}
        for attempt in by_id.values():
            attempt.bought = []
            attempts[attempt.task_id].append(attempt)
        for purchase in Purchase.objects.filter(attempt__in=list(by_id)).order_by("attempt_id", "index"):
            by_id[purchase.attempt_id].bought.append(purchase)
    return [Claim(task, attempts[task.pk], routes, now) for task in tasks]


def _heartbeat(workers: list[str]) -> list[None]:
    now = clock.now()
    for worker in workers:
        Heartbeat.objects.update_or_create(worker=worker, defaults={"at": now})
    Heartbeat.objects.filter(at__lt=now - timedelta(hours=1)).delete()
    return [None] * len(workers)


# -- the engine of this process --------------------------------------------------------------------

_lock = threading.Lock()
_engine: Loop[Claim] | None = None


def wake() -> None:
    """Lets this process's engine look for due tasks now; starts it if none is alive."""
    global _engine
    with _lock:
        if _engine is None or not _engine.is_alive():
            starting = Loop(TaskWork())
            starting.start()
            _engine = starting
        _engine.wake()


def stop(drain_seconds: float) -> None:
    """Ends this process's engine: paid calls in flight get `drain_seconds` to be answered and saved."""
    global _engine
    with _lock:
        stopping, _engine = _engine, None
        if stopping is not None and stopping.is_alive():
            stopping.stop(drain_seconds)
