"""Delivery: send what is due, write down what came of it, and decide what happens next."""

import asyncio
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

import aiohttp
from django.db.models import F
from django.db.models.functions import Coalesce

from eggapi import clock
from eggapi.addresses import BadUrl, check_url
from eggapi.http import AddressRefused, HttpFailed, open_session, send
from eggapi.loop import Loop
from webhooks import origins, signing
from webhooks.claim import LEASE, Claimed, claim
from webhooks.models import Delivery, DeliveryAttempt, DeliveryQuerySet
from webhooks.verdict import Answer, Verdict, judge

log = logging.getLogger("webhooks.delivery")

AT_ONCE = 500
LOOKUPS_AT_ONCE = 64
TOTAL_SECONDS = 15.0
MOST_READ = 16 * 1024
MOST_KEPT = 1024
OUR_FAULT_WAIT = timedelta(seconds=60)


@dataclass(frozen=True)
class Sent:
    """An attempt that was made."""

    claimed: Claimed
    answer: Answer
    milliseconds: int

    @property
    def n(self) -> int:
        return self.claimed.attempts + 1

    @cached_property
    def verdict(self) -> Verdict:
        """What was delivered before stays so, whatever came of sending it again."""
        verdict = judge(self.answer, self.n - self.claimed.granted + Delivery.SCHEDULED)
        if self.claimed.delivered and verdict.wait is None:
            return Verdict(Delivery.State.DELIVERED, verdict.error)
        return verdict

    @property
    def result(self) -> origins.Result:
        one = self.claimed
        return origins.Result((one.account_id, one.host), self.verdict.error, one.by_hand, one.failing)


class Courier:
    """What the delivery loop works on: see `eggapi.loop.Work`."""

    name = "courier"
    capacity = AT_ONCE

    async def open(self, loop: Loop[Claimed]) -> None:
        self._loop = loop
        self._session = open_session("public")
        # A name server that does not answer holds a thread for longer than its delivery may take.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(LOOKUPS_AT_ONCE, "courier-lookup"))

    async def close(self) -> None:
        await self._session.close()

    async def drive(self, claimed: Claimed) -> float:
        started = time.perf_counter()
        answer = await _post(self._session, claimed)
        sent = Sent(claimed, answer, round((time.perf_counter() - started) * 1000))
        _log(sent)
        await self._loop.desk.call(save, sent)
        return 0.0  # a place is free now: somebody may be waiting for it

    def must_finish(self, claimed: Claimed) -> bool:
        """What is on its way may arrive; cut off, it would be sent a second time."""
        return True

    def claim(self, room: list[int]) -> list[list[Claimed]]:
        return [claim(places) for places in room]

    def claim_suspect(self, room: list[int]) -> list[list[Claimed]]:
        """None: the bytes sent are ours and the bytes read are capped, so no delivery can kill a worker."""
        return [[] for _ in room]

    def renew(self, claimed: list[Claimed]) -> list[None]:
        # One that was given back a moment ago stays given back.
        _held(claimed).filter(lease_until__isnull=False).update(lease_until=clock.now() + LEASE)
        return [None] * len(claimed)

    def release(self, claimed: list[Claimed]) -> list[None]:
        _held(claimed).update(lease_until=None)
        return [None] * len(claimed)

    def give_back(self, claimed: list[Claimed]) -> list[None]:
        """For what went wrong on our side: no attempt is counted."""
        _held(claimed).update(lease_until=None, next_run_at=clock.now() + OUR_FAULT_WAIT)
        return [None] * len(claimed)


async def _post(session: aiohttp.ClientSession, claimed: Claimed) -> Answer:
    secrets = [secret.plain for secret in claimed.secrets]
    headers = signing.headers(claimed.event_id, claimed.body, int(claimed.at.timestamp()), secrets)
    try:
        check_url(claimed.url)
        reply = await send(
            session, "POST", claimed.url, headers=headers, data=claimed.body,
            timeout=TOTAL_SECONDS, cap=MOST_READ, cut=True,
        )  # fmt: skip
    except (BadUrl, AddressRefused):
        return Answer(error="address not allowed")
    except HttpFailed as error:
        timed_out = isinstance(error.__cause__, TimeoutError)
        return Answer(error="timeout" if timed_out else str(error).removeprefix("the "))
    text = reply.body[:MOST_KEPT].decode(errors="replace").replace("\0", "")
    return Answer(reply.status, reply=text, retry_after=reply.headers.get("Retry-After", ""))


def _log(sent: Sent) -> None:
    fields = {"task_id": sent.claimed.task_id, "event_id": sent.claimed.event_id, "attempt": sent.n}
    log.info(
        "delivery", extra=fields | {"status": sent.answer.status, "cause": sent.answer.error, "ms": sent.milliseconds}
    )


def save(sent: list[Sent]) -> Sequence[None]:
    """Writes attempts and what follows from them; nothing for a delivery whose lease went to somebody else."""
    now = clock.now()
    ours = set(_held(s.claimed for s in sent).order_by("pk").select_for_update().values_list("pk", flat=True))
    kept = [s for s in sent if s.claimed.id in ours]
    DeliveryAttempt.objects.bulk_create(_row(s) for s in kept)
    alike: dict[tuple[Verdict, int | None], list[int]] = defaultdict(list)
    for s in kept:
        alike[s.verdict, s.answer.status].append(s.claimed.id)
    for (verdict, status), ids in alike.items():
        delivered = {"delivered_at": Coalesce("delivered_at", now)} if verdict.state == Delivery.State.DELIVERED else {}
        Delivery.objects.filter(pk__in=ids).update(
            state=verdict.state,
            attempts=F("attempts") + 1,
            by_hand=False,
            next_run_at=None if verdict.wait is None else now + verdict.wait,
            lease_until=None,
            last_status=status,
            last_error=verdict.error,
            **delivered,
        )
    origins.note([s.result for s in kept], now)
    return [None] * len(sent)


def _row(sent: Sent) -> DeliveryAttempt:
    answer = sent.answer
    return DeliveryAttempt(
        delivery_id=sent.claimed.id,
        n=sent.n,
        by_hand=sent.claimed.by_hand,
        at=sent.claimed.at,
        status=answer.status,
        error=answer.error,
        milliseconds=sent.milliseconds,
        reply=answer.reply,
    )


def _held(claimed: Iterable[Claimed]) -> DeliveryQuerySet:
    return Delivery.objects.held({one.id: one.token for one in claimed})


# -- the courier of this process -------------------------------------------------------------------

_guard = threading.Lock()
_courier: Loop[Claimed] | None = None


def courier() -> Loop[Claimed]:
    """The delivery loop of this process, started when first asked for."""
    global _courier
    with _guard:
        if _courier is None or not _courier.is_alive():  # it is not after a fork
            _courier = Loop(Courier())
            _courier.start()
        return _courier


def wake() -> None:
    courier().wake()


def stop(drain_seconds: float) -> None:
    """Claims nothing more; what is on its way has `drain_seconds` to arrive, or is sent again by somebody else."""
    global _courier
    with _guard:
        stopping, _courier = _courier, None
        if stopping is not None and stopping.is_alive():
            stopping.stop(drain_seconds)
