"""Process: drive one task one step - buy, poll, collect - and say what is to happen next.

Runs on the event loop and never touches the database: what is to be written is handed to the desk,
where every write is fenced by the lease token the task was claimed with.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from copy import copy
from datetime import timedelta
from typing import Any

from eggapi import alerts
from eggapi.alerts import Raised
from eggapi.envelope import DATABASE_AWAY
from eggapi.http import Lost, NotSent
from generation import callbacks, drill, references, route, save, settle
from generation.catalog import RouteEntry
from generation.claim import Claim
from generation.collect import Collector
from generation.models import Attempt, Purchase
from generation.providers.base import (
    Absent,
    Accepted,
    Failed,
    Finished,
    Job,
    Outcome,
    Pending,
    Rejected,
    Unreadable,
    plain,
)
from generation.references import BadReference
from generation.route import Exhausted, Search, Wait
from generation.save import Progress
from generation.settle import Ending
from generation.storage import Picture
from generation.transport import Transport

log = logging.getLogger("eggapi.attempt")

JITTER = 0.2
LONGEST_SEARCH = timedelta(seconds=60)
ABSENT_AFTER = timedelta(seconds=30)
PAUSE_LIMIT = timedelta(seconds=25)
LATE_SECONDS = 120.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 16.0
GRAVITY = (Outcome.REFUSED, Outcome.INVALID, Outcome.UNKNOWN, Outcome.NO_IMAGE, Outcome.ROUTE_DOWN, Outcome.RETRYABLE)
FINAL = (Outcome.REFUSED, Outcome.INVALID)
REFUSED = "Content moderation: prompt contains prohibited content"
NO_IMAGE = ("no_image", "No provider returned a usable image.")
UNAVAILABLE = ("upstream_unavailable", "No provider could complete this request.")


class Driver:
    """Drives claims. `call` is the desk; `stopping` tells whether the process is shutting down."""

    def __init__(self, call: Callable[..., Awaitable[Any]], transport: Transport, stopping: Callable[[], bool]) -> None:
        self._call = call
        self._transport = transport
        self._collector = Collector(transport, self._save)
        self._fetcher = references.Fetcher()
        self._stopping = stopping

    async def drive(self, claim: Claim) -> float | None:
        """One step: returns the seconds until the next, or None where there is none.

        At the deadline the task ends, but a paid call in flight is heard to its end: its reply is worth saving.
        """
        step = asyncio.ensure_future(self._step(claim))
        try:
            await asyncio.wait({step}, timeout=claim.seconds_left)
            if not step.done():
                await self._save(settle.settle, _at_deadline(claim))
                if claim.paying:
                    await asyncio.wait({step}, timeout=LATE_SECONDS)
            return step.result() if step.done() else None
        finally:
            step.cancel()

    async def _step(self, claim: Claim) -> float | None:
        async with AsyncExitStack() as stack:
            while True:
                attempt, is_new = claim.live, False
                if attempt is not None and _is_looked_for(claim, attempt):
                    await self._fetch_references(claim, stack)
                if attempt is None:
                    if fault := await self._fetch_references(claim, stack):
                        await self._end(claim, Outcome.INVALID, fault)
                        return None
                    heaviest = max((picture.bytes for picture in claim.pictures or ()), default=0)
                    claim.paying = True
                    search = Search(claim.task, claim.attempts, heaviest)
                    found = await self._call(route.open_next, search)
                    if not isinstance(found, Attempt):
                        claim.paying = False
                        return await self._without_route(claim, found)
                    claim.attempts.append(found)
                    if search.chosen:  # which may be newer than the claim
                        claim.routes = {**claim.routes, found.route_id: search.chosen}
                    attempt, is_new = found, True
                next_step = await self._work_on(claim, attempt, is_new)
                claim.paying = False
                if next_step is not FALL_BACK:
                    return next_step  # type: ignore[no-any-return]
                if self._stopping():
                    return await self._pause(claim, 0.0)

    async def _fetch_references(self, claim: Claim, stack: AsyncExitStack) -> str:
        """Before anything is bought or looked up; says what is wrong with a picture that cannot be had."""
        if claim.pictures is None:
            try:
                claim.pictures = await stack.enter_async_context(self._fetcher.fetched(claim.task))
            except BadReference as error:
                return str(error)
        return ""

    async def _without_route(self, claim: Claim, found: Any) -> float | None:
        match found:
            case Wait(until=until):
                return await self._pause(claim, (until - claim.time).total_seconds())
            case Exhausted():
                last = claim.attempts[-1].outcome if claim.attempts else ""
                await self._end(claim, *(NO_IMAGE if last == Outcome.NO_IMAGE else UNAVAILABLE))
        return None

    # -- one attempt -----------------------------------------------------------------------------

    async def _work_on(self, claim: Claim, attempt: Attempt, is_new: bool) -> Any:
        """Seconds until the next step, None at the end of the task, or FALL_BACK."""
        entry = claim.routes[attempt.route_id]
        waits = await asyncio.gather(
            *(
                self._work_on_purchase(claim, entry, attempt, purchase, is_new)
                for purchase in attempt.bought
                if purchase.is_open
            ),
            return_exceptions=True,
        )
        until_next = []
        for wait in waits:
            if isinstance(wait, BaseException):
                raise wait
            if wait is not None:
                until_next.append(wait)
        if until_next:
            return await self._pause(claim, min(until_next), attempt)
        return await self._conclude(claim, attempt)

    async def _work_on_purchase(
        self, claim: Claim, entry: RouteEntry, attempt: Attempt, purchase: Purchase, is_new: bool
    ) -> float | None:
        """Takes a purchase one step on; returns the seconds until its next poll, None where it has ended."""
        job = _job(claim, entry, purchase)
        told: float | None = None
        if purchase.is_lost and purchase.hint:
            _find(purchase, purchase.hint)
        match purchase.state:
            case Purchase.State.SUBMITTING if is_new:
                told = await self._buy(claim, entry, attempt, purchase, job)
                if len(attempt.bought) > 1:
                    await self._save(save.purchase, Progress(claim.task, [purchase]))
            case Purchase.State.SUBMITTING:
                _lose(claim, entry, purchase, job)  # a crash between the commit and the reply
        if purchase.state == Purchase.State.UNKNOWN and purchase.is_open:
            await self._look_up(claim, entry, purchase, job)
        elif purchase.state == Purchase.State.ACCEPTED and not is_new:
            return await self._poll(claim, entry, purchase, job)
        return _wait(claim, entry, purchase, told) if purchase.is_open else None

    async def _buy(
        self, claim: Claim, entry: RouteEntry, attempt: Attempt, purchase: Purchase, job: Job
    ) -> float | None:
        """The one paid request. It is sent at most once, only on a lease known to be good and before the deadline.

        Returns the seconds until the first poll, if the vendor said.
        """
        if self._stopping() or not claim.seconds_left or claim.time - attempt.started_at > PAUSE_LIMIT:
            _leave_unsent(purchase, "not sent")
            return None
        if entry.is_drilled(claim.time):
            _leave_unsent(purchase, drill.MESSAGE)
            return None
        try:
            result = await self._transport.converse(entry.adapter, entry.adapter.submit(job), paid=True)
        except NotSent as error:
            _close(purchase, Purchase.State.NOT_SENT, Outcome.RETRYABLE, str(error), cost=0)
        except (Lost, Unreadable) as error:
            purchase.message = str(error)[:300]
            _lose(claim, entry, purchase, job)
        else:
            if isinstance(result, Rejected):
                attempt.retry_after = result.retry_after
            await self._take(claim, entry, purchase, result)
            return getattr(result, "wait", None)
        return None

    async def _poll(self, claim: Claim, entry: RouteEntry, purchase: Purchase, job: Job) -> float | None:
        """Asks how the purchase is doing; an answer that cannot be had or read is asked for again."""
        purchase.polls += 1
        try:
            result = await self._transport.converse(
                entry.adapter, entry.adapter.poll(job, purchase.upstream_id), paid=False
            )
        except (NotSent, Lost):
            result = Pending()
        except Unreadable as error:
            result = Pending(alarm=f"unreadable answer to a poll: {error}")
        await self._take(claim, entry, purchase, result)
        return _wait(claim, entry, purchase, getattr(result, "wait", None)) if purchase.is_open else None

    async def _look_up(self, claim: Claim, entry: RouteEntry, purchase: Purchase, job: Job) -> None:
        """Finds out what became of a request nobody heard the answer to, or gives up on it."""
        if purchase.give_up_at and claim.time >= purchase.give_up_at:
            purchase.give_up_at, purchase.outcome = None, Outcome.UNKNOWN
            return
        if claim.pictures is None or not entry.adapter.can_look_up:
            return  # the customer's pictures belong to the job we look for; without look-up a callback may come
        try:
            result = await self._transport.converse(entry.adapter, entry.adapter.look_up(job), paid=False)
        except (NotSent, Lost, Unreadable):
            return
        if isinstance(result, Accepted):
            _find(purchase, result.upstream_id)
        elif isinstance(result, Absent) and claim.time - purchase.sent_at > ABSENT_AFTER:
            _close(purchase, Purchase.State.NOT_SENT, Outcome.RETRYABLE, "the provider never received it", cost=0)

    async def _take(self, claim: Claim, entry: RouteEntry, purchase: Purchase, result: Any) -> None:
        """Writes a provider's answer into the purchase."""
        if alarm := getattr(result, "alarm", ""):
            purchase.is_excused = True  # it may be the prompt that the vendor does not like
            await self._save(alerts.report, Raised(f"answer:{entry.provider}:{entry.upstream_model}", plain(alarm)))
        match result:
            case Accepted(upstream_id=upstream_id):
                purchase.state, purchase.upstream_id = Purchase.State.ACCEPTED, upstream_id
            case Rejected(outcome=outcome, message=message):
                _close(purchase, Purchase.State.REJECTED, outcome, message, cost=0)
            case Failed(outcome=outcome, message=message, cost=cost):
                _close(purchase, Purchase.State.FAILED, outcome, message, cost=cost)
            case Finished(images=images, cost=cost):
                wanted = images[: purchase.images_asked]
                try:
                    kept = await self._collector.collect(claim.task, entry.homes, wanted, purchase.first_image)
                finally:
                    for image in images:
                        image.close()
                purchase.images = [picture.as_json() for picture in kept]
                if kept:
                    _close(purchase, Purchase.State.DONE, "", "", cost=cost)
                else:
                    _close(purchase, Purchase.State.FAILED, Outcome.NO_IMAGE, "no image that decodes", cost=cost)

    async def _conclude(self, claim: Claim, attempt: Attempt) -> Any:
        """All purchases have ended: complete with what is stored, end, or fall back to another route."""
        _log(claim, attempt)
        pictures = [Picture(**image) for purchase in attempt.bought for image in purchase.images]
        if pictures:
            ending = Ending(claim.task, "completed", pictures=pictures, attempt=attempt)
            if not await self._save(settle.settle, ending):
                await self._save(save.late, Progress(claim.task, attempt.bought))
            return None
        worst = min(attempt.bought, key=lambda purchase: GRAVITY.index(Outcome(purchase.outcome)))
        attempt.outcome, attempt.message = worst.outcome, worst.message
        if attempt.outcome in FINAL:
            # The vendor's own words may name the vendor.
            told = REFUSED if attempt.outcome == Outcome.REFUSED else attempt.message
            await self._end(claim, attempt.outcome, told, attempt)
            return None
        if await self._save(save.end_attempt, Progress(claim.task, attempt=attempt)):
            return FALL_BACK
        await self._save(save.late, Progress(claim.task, attempt.bought))
        return None

    # -- what is written -------------------------------------------------------------------------

    async def _pause(self, claim: Claim, seconds: float, attempt: Attempt | None = None) -> float | None:
        seconds = min(max(seconds, 0.0), claim.seconds_left)
        purchases = attempt.bought if attempt else []
        return seconds if await self._save(save.pause, Progress(claim.task, purchases, seconds=seconds)) else None

    async def _save(self, function: Callable[[list[Any]], Sequence[Any]], item: Any) -> bool:
        """What a vendor told us for money is not lost because the database is away for a moment."""
        pause = FIRST_PAUSE
        while True:
            try:
                saved: bool = await self._call(function, item)
                return saved
            except DATABASE_AWAY:
                if pause > LONGEST_PAUSE:
                    raise
            await asyncio.sleep(pause)
            pause *= 2

    async def _end(self, claim: Claim, ended: str, error: str, attempt: Attempt | None = None) -> None:
        await self._save(settle.settle, Ending(claim.task, ended, error, attempt=attempt))


FALL_BACK = object()


def _log(claim: Claim, attempt: Attempt) -> None:
    """The one line of an attempt; what it cost is in micro-dollars."""
    log.info(
        "attempt",
        extra={
            "task": claim.task.id,
            "attempt": attempt.n,
            "provider": claim.routes[attempt.route_id].provider,
            "purchases": [purchase.state for purchase in attempt.bought],
            "images": sum(len(purchase.images) for purchase in attempt.bought),
            "cost": sum(purchase.cost for purchase in attempt.bought),
            "ms": round((claim.time - attempt.started_at).total_seconds() * 1000),
        },
    )


def _at_deadline(claim: Claim) -> Ending:
    """With the images that are stored by now; failed only where there is none."""
    attempt = claim.live
    pictures = [Picture(**image) for purchase in attempt.bought for image in purchase.images] if attempt else []
    if attempt is None or not pictures:
        return Ending(claim.task, "deadline", f"Timed out after {claim.task.deadline_seconds} seconds.")
    as_it_is = copy(attempt)  # the step goes on with its own
    as_it_is.bought = [copy(purchase) for purchase in attempt.bought]
    return Ending(claim.task, "completed", pictures=pictures, attempt=as_it_is)


def _job(claim: Claim, entry: RouteEntry, purchase: Purchase) -> Job:
    task = claim.task
    return Job(
        client_ref=purchase.client_ref,
        model=entry.upstream_model,
        prompt=task.prompt,
        negative_prompt=task.negative_prompt,
        aspect_ratio=task.aspect_ratio,
        resolution=task.resolution,
        output_format=task.output_format,
        images=purchase.images_asked,
        seed=task.seed,
        references=claim.pictures or (),
        callback_url=callbacks.address(entry.adapter, purchase.client_ref),
        strategy=task.strategy,
    )


def _close(purchase: Purchase, state: str, outcome: str, message: str, *, cost: int | None) -> None:
    purchase.state, purchase.outcome, purchase.message = state, outcome, message[:300]
    purchase.cost = purchase.cost if cost is None else cost
    purchase.give_up_at = None


def _leave_unsent(purchase: Purchase, message: str) -> None:
    """Nothing left this process, and that says nothing of the vendor."""
    _close(purchase, Purchase.State.NOT_SENT, Outcome.RETRYABLE, message, cost=0)
    purchase.is_excused = True


def _find(purchase: Purchase, upstream_id: str) -> None:
    """The vendor did take it, and this is what it calls it."""
    purchase.state, purchase.upstream_id, purchase.give_up_at = Purchase.State.ACCEPTED, upstream_id, None


def _lose(claim: Claim, entry: RouteEntry, purchase: Purchase, job: Job) -> None:
    """Nobody can say whether the vendor took it: look for it or await its callback, else let it go at once."""
    purchase.state, purchase.outcome = Purchase.State.UNKNOWN, Outcome.UNKNOWN
    if entry.adapter.can_look_up or job.callback_url:
        half = timedelta(seconds=claim.seconds_left / 2)
        purchase.give_up_at = claim.time + min(LONGEST_SEARCH, half)


def _is_looked_for(claim: Claim, attempt: Attempt) -> bool:
    return claim.routes[attempt.route_id].adapter.can_look_up and any(p.is_lost for p in attempt.bought)


def _wait(claim: Claim, entry: RouteEntry, purchase: Purchase, told: float | None) -> float:
    """Seconds until the next poll, with jitter so that tasks accepted together do not poll together."""
    provider = entry.adapter
    if told is not None:  # within reason: not without any pause, and not when it is too late
        return max(provider.poll_every, min(told, claim.seconds_left / 2))
    later = min(provider.poll_every * provider.poll_backoff ** (purchase.polls - 1), provider.poll_slowest)
    return (later if purchase.polls else provider.first_poll) * random.uniform(1 - JITTER, 1 + JITTER)
