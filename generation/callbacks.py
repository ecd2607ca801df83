"""Calls that vendors make to us once a job has changed.

They are hints. Nothing of what a vendor says here is believed: the task becomes due at once, and the
engine asks for itself. So a callback may be lost, come twice, too early or too late.
"""

import asyncio
import logging
from collections.abc import Generator, Mapping
from dataclasses import replace

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from redis import RedisError

from eggapi import clock, crypto, errors
from eggapi.doorbell import ring
from eggapi.http import HttpFailed
from generation import catalog
from generation.catalog import RouteEntry
from generation.models import Attempt, Purchase, Task
from generation.providers.base import Call, Callback, Provider, Reply, text
from generation.transport import STUMBLES, Transport

log = logging.getLogger("eggapi.callback")

MINUTE, HOUR, DAY = 60, 3600, 86_400
ASKING_SECONDS = 5.0  # a vendor waits for our answer meanwhile


def address(adapter: Provider, client_ref: str) -> str:
    """Where a vendor may call about a purchase, which nobody else can guess; empty where it cannot reach us."""
    base: str = settings.EGGAPI_PUBLIC_URL
    if not adapter.calls_back or not base.startswith("https://"):
        return ""
    return f"{base}/callbacks/{client_ref}.{crypto.signature('callback', client_ref)}"


def purchase_of(token: str) -> Purchase:
    """The purchase whose address this is. Raises NotFound."""
    client_ref, _, signature = token.partition(".")
    if not crypto.is_genuine(signature, "callback", client_ref):
        raise errors.NotFound
    purchase = Purchase.objects.select_related("attempt").filter(pk=client_ref).first()
    if purchase is None:
        raise errors.NotFound
    return purchase


def hear(purchase: Purchase, headers: Mapping[str, str], body: bytes) -> None:
    """Makes the purchase's task due now. Of a purchase whose answer nobody heard it keeps the upstream id.

    Raises Forbidden for a callback that is not genuine, or speaks of another job, and ServiceUnavailable
    where that cannot be told just now.
    """
    route = catalog.current().routes[purchase.attempt.route_id]
    now = clock.now()
    try:
        upstream_id = _verified(route, Callback(headers, body, now.timestamp()))
    except RedisError as error:
        raise errors.ServiceUnavailable from error
    known = purchase.upstream_id or purchase.hint
    if not upstream_id or (known and known != upstream_id):
        log.warning("not a genuine callback", extra={"provider": route.provider, "purchase": purchase.pk})
        raise errors.Forbidden("This callback is not genuine.")
    # Two transactions: the engine locks the task first and then its purchases.
    if not known:
        lost = Purchase.objects.filter(state__in=(Purchase.State.SUBMITTING, Purchase.State.UNKNOWN), hint="")
        lost.filter(pk=purchase.pk).update(hint=upstream_id)
    if purchase.attempt.state == Attempt.State.LIVE:
        # Under a lease the engine may overwrite this; then it comes by at its next poll.
        waiting = Task.objects.unfinished().filter(pk=purchase.attempt.task_id, next_run_at__gt=now)
        waiting.update(next_run_at=now)
        transaction.on_commit(lambda: ring("generation.tasks.advance"))


def _verified(route: RouteEntry, callback: Callback) -> str:
    """The upstream id of a genuine callback, else nothing. A vendor may have changed its keys since we asked."""
    keys = Keys(route)
    upstream_id = keys.check(callback)
    if not upstream_id and keys.recalled and keys.may_ask():
        keys = Keys(route, anew=True)
        upstream_id = keys.check(callback)
    if upstream_id:
        keys.trust()
    return upstream_id


class Keys:
    """What a vendor says when asked for the keys to its callbacks.

    It is kept for a minute, and longer once a callback has proved it right; encrypted, because some of it
    is secret. `recalled` tells whether something that was kept has been used.
    """

    def __init__(self, route: RouteEntry, *, anew: bool = False) -> None:
        self.recalled = False
        self._route = route
        self._anew = anew
        self._fetched: list[Call] = []

    def check(self, callback: Callback) -> str:
        """The upstream id of a genuine callback, else nothing. Raises ServiceUnavailable."""
        steps = _to_the_end(self._route.adapter.verified(callback))
        try:
            call = next(steps)
            while True:
                call = steps.send(self._recall(call) or self._fetch(call))
        except StopIteration as stop:
            return str(stop.value)

    def may_ask(self) -> bool:
        """Once a minute."""
        return bool(cache.add(f"callbacks:{self._route.provider_id}", True, MINUTE))

    def trust(self) -> None:
        for call in self._fetched:
            # What is fetched without our credential is public, and rarely changes.
            cache.touch(self._name(call), DAY if "://" in call.path else HOUR)

    def _recall(self, call: Call) -> Reply | None:
        kept = None if self._anew else cache.get(self._name(call))
        if kept is None:
            return None
        self.recalled = True
        return Reply(200, {}, crypto.decrypt(kept).encode())

    def _fetch(self, call: Call) -> Reply:
        cause = ""
        try:
            reply = asyncio.run(_ask(self._route.adapter, call))
        except HttpFailed as error:
            cause = str(error)
        else:
            if reply.status == 200:
                self.may_ask()
                self._fetched.append(call)
                cache.set(self._name(call), crypto.encrypt(reply.body.decode(errors="replace")), MINUTE)
                return reply
            cause = f"status {reply.status}"
        log.warning("no keys for callbacks", extra={"provider": self._route.provider, "cause": cause})
        raise errors.ServiceUnavailable("This callback cannot be checked just now.", retry_after=MINUTE)

    def _name(self, call: Call) -> str:
        return f"callbacks:{self._route.provider_id}:{call.path}"


def _to_the_end(steps: Generator[Call, Reply, str]) -> Generator[Call, Reply, str]:
    """A body that an adapter stumbles over is not genuine either."""
    try:
        return text((yield from steps))
    except STUMBLES:
        return ""


async def _ask(adapter: Provider, call: Call) -> Reply:
    transport = Transport()
    try:
        reply: Reply = await transport.converse(adapter, _alone(replace(call, timeout=ASKING_SECONDS)), paid=False)
        return reply
    finally:
        await transport.close()


def _alone(call: Call) -> Generator[Call, Reply, Reply]:
    return (yield call)
