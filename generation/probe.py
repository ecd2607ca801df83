"""Probe: buys one picture of a provider for the operator, to see with one's own eyes whether it works.

It belongs to no task. It is sent at most once: who wants it stands in the audit log before it can be sent, and only
the worker that takes the order away sends it. What comes of it is kept for a while and nowhere else.
"""

import asyncio
import logging
import time
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from tempfile import TemporaryFile
from typing import Any

from django.core.cache import cache
from django.db import connection

from accounts import auditlog
from accounts.models import User
from eggapi import clock
from eggapi.doorbell import EXPIRES_SECONDS, ring
from eggapi.http import HttpFailed, Lost, NotSent
from eggapi.ids import random_text
from generation import catalog, storage, thumbnail
from generation.catalog import RouteEntry
from generation.models import Route
from generation.providers.base import Accepted, Failed, Finished, Job, Pending, Rejected, Unreadable
from generation.storage import NotAnImage
from generation.transport import Transport

log = logging.getLogger("eggapi.probe")

SECONDS = 60.0
KEPT_SECONDS = 900
BUSY_SECONDS = 120  # longer than an order waits and a probe takes
PROMPT = "A single brown egg in a white egg cup, soft daylight"
THUMBNAIL = (640, 640)
MAY_COST = "The provider may charge for it."


class Busy(Exception):
    """A probe of this provider is under way."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What is known of a probe: `cost` in micro-dollars, None where nobody can say; `picture` a small WebP."""

    route_id: int
    way: str
    client_ref: str
    asked_at: datetime
    state: str = "waiting"  # running, done, failed
    message: str = ""
    milliseconds: int | None = None
    cost: int | None = 0
    picture: bytes = field(default=b"", repr=False)

    @property
    def is_over(self) -> bool:
        return self.state in ("done", "failed")


def start(route: Route, actor: User) -> Probe:
    """Orders a probe on a route, which need not be enabled. Raises Busy."""
    provider = route.provider
    probe = Probe(route.pk, f"{provider} {route.upstream_model}", f"egg_{random_text(28)}", clock.now())
    if not cache.add(_name(provider.pk, "busy"), probe.client_ref, BUSY_SECONDS):
        raise Busy
    auditlog.note("provider.test", provider.name, actor, way=probe.way, client_ref=probe.client_ref)
    _keep(provider.pk, probe)
    cache.set(_name(provider.pk, "order"), probe.client_ref, EXPIRES_SECONDS)
    ring("generation.tasks.probe", provider_id=str(provider.pk))
    return probe


def last(provider_id: int) -> Probe | None:
    """The latest probe of a provider, for a quarter of an hour."""
    probe: Probe | None = cache.get(_name(provider_id, "probe"))
    if probe is None or probe.is_over:
        return probe
    waited = clock.now() - probe.asked_at
    if probe.state == "waiting" and waited > timedelta(seconds=EXPIRES_SECONDS + 1):
        return replace(probe, state="failed", message="No worker took it, and nothing was sent.")
    if waited > timedelta(seconds=BUSY_SECONDS):
        return replace(probe, state="failed", cost=None, message=f"The worker was lost meanwhile. {MAY_COST}")
    return probe


def run(provider_id: int) -> None:
    """Sends the probe that was ordered, unless somebody has taken the order away."""
    probe: Probe | None = cache.get(_name(provider_id, "probe"))
    if probe is None or not cache.delete(_name(provider_id, "order")):
        return
    _keep(provider_id, replace(probe, state="running"))
    route = Route.objects.select_related("provider").get(pk=probe.route_id)
    entry = catalog.entry_of(route)
    connection.close()
    try:
        found = asyncio.run(_bought(entry, probe))
    except Exception as error:  # an operator is waiting for a verdict, whatever an adapter does
        log.error("probe failed", exc_info=error)
        found = replace(probe, state="failed", cost=None, message=f"Something went wrong on our side. {MAY_COST}")
    _keep(provider_id, found)
    cache.delete(_name(provider_id, "busy"))


async def _bought(entry: RouteEntry, probe: Probe) -> Probe:
    begun = time.monotonic()
    transport = Transport()
    cost: int | None = None
    try:
        async with asyncio.timeout(SECONDS):
            result = await _result(transport, entry, _job(entry, probe.client_ref))
            cost = _cost(entry, result)
            message, picture = await _picture(transport, entry, result)
    except NotSent as error:
        message, picture, cost = f"Not sent: {error}", b"", 0
    except (Lost, Unreadable) as error:
        message, picture = f"Nobody knows what became of it: {error}. {MAY_COST}", b""
    except TimeoutError:
        message, picture = f"No picture within {SECONDS:.0f} s. {MAY_COST}", b""
    finally:
        await transport.close()
    milliseconds = round((time.monotonic() - begun) * 1000)
    state = "done" if picture else "failed"
    return replace(probe, state=state, message=message, milliseconds=milliseconds, cost=cost, picture=picture)


async def _result(transport: Transport, entry: RouteEntry, job: Job) -> Finished | Failed | Rejected:
    """The one paid request, and asking until the job has ended."""
    adapter = entry.adapter
    result: Any = await transport.converse(adapter, adapter.submit(job), paid=True)
    pause = adapter.first_poll
    if isinstance(result, Accepted):
        upstream_id, result = result.upstream_id, Pending(wait=result.wait)
    while isinstance(result, Pending):
        await asyncio.sleep(pause if result.wait is None else max(result.wait, adapter.poll_every))
        pause = adapter.poll_every
        try:
            result = await transport.converse(adapter, adapter.poll(job, upstream_id), paid=False)
        except (HttpFailed, Unreadable):
            result = Pending()
    return result  # type: ignore[no-any-return]  # converse returns what the adapter does


def _job(entry: RouteEntry, client_ref: str) -> Job:
    """The smallest that the route can make."""
    can = entry.capabilities

    def fit(wanted: str, allowed: frozenset[str]) -> str:
        return wanted if not allowed or wanted in allowed else min(allowed)

    return Job(
        client_ref=client_ref,
        model=entry.upstream_model,
        prompt=PROMPT,
        aspect_ratio=fit("16:9", can.aspect_ratios),
        resolution=fit("1k", can.resolutions),
        output_format=fit("png", can.output_formats),
    )


def _cost(entry: RouteEntry, result: Finished | Failed | Rejected) -> int:
    if isinstance(result, Rejected):
        return 0
    return entry.cost if result.cost is None else result.cost


async def _picture(transport: Transport, entry: RouteEntry, result: Finished | Failed | Rejected) -> tuple[str, bytes]:
    """What is wrong, and the picture; one of them is empty."""
    if not isinstance(result, Finished):
        return f"{result.outcome}: {result.message}", b""
    if not result.images:
        return "It finished without a picture.", b""
    with TemporaryFile() as file:
        try:
            await transport.fetch(entry.homes, result.images[0], file)
            file.seek(0)
            storage.inspect(file)
            return "", thumbnail.shrunk(file, THUMBNAIL, quality=80)
        except (HttpFailed, NotAnImage) as error:
            return f"The picture cannot be had: {error}", b""
        finally:
            for image in result.images:
                image.close()


def _keep(provider_id: int, probe: Probe) -> None:
    cache.set(_name(provider_id, "probe"), probe, KEPT_SECONDS)


def _name(provider_id: int, what: str) -> str:
    return f"probe:{provider_id}:{what}"
