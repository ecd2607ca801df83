"""Breaker: keeps tasks away from a provider's model that is failing, and finds out when it is well again.

Each process counts what it hears in memory; what has opened is a row, and so holds for all processes.
When the time is up a single task goes through as a probe, which closes the breaker or opens it for twice
as long. A route that is down - credential, balance or model - opens it at once.
"""

import time
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction

from accounts.models import Mode
from eggapi import alerts, clock
from eggapi.alerts import Raised
from generation import catalog
from generation.catalog import RouteEntry
from generation.models import Attempt, Breaker, Purchase
from generation.providers.base import Outcome

CONSECUTIVE = 5
LEAST_CALLS, FAILING_SHARE = 10, 0.5
WINDOW_SECONDS = 30.0
SHORTEST, LONGEST = 15, 300
HUNG_AFTER = timedelta(seconds=240)
FAILURES = (Outcome.RETRYABLE, Outcome.UNKNOWN, Outcome.ROUTE_DOWN)


class Way(NamedTuple):
    """What a breaker is for."""

    provider_id: int
    upstream_model: str


def way_of(route: RouteEntry) -> Way:
    return Way(route.provider_id, route.upstream_model)


@dataclass(slots=True)
class Window:
    """The last calls of one way in this process: when each ended, and whether it failed.

    `failures` counts among them, `in_a_row` since the last that did not fail, however long ago that was.
    """

    calls: deque[tuple[float, bool]] = field(default_factory=deque)
    failures: int = 0
    in_a_row: int = 0

    def hear(self, failed: bool) -> bool:
        """Counts a call; True when there were too many failures."""
        now = time.monotonic()
        self.calls.append((now, failed))
        self.failures += failed
        self.in_a_row = self.in_a_row + 1 if failed else 0
        while self.calls[0][0] < now - WINDOW_SECONDS:
            self.failures -= self.calls.popleft()[1]
        count = len(self.calls)
        many = count >= LEAST_CALLS and self.failures >= FAILING_SHARE * count
        return failed and (many or self.in_a_row >= CONSECUTIVE)


_windows: defaultdict[Way, Window] = defaultdict(Window)


def opened() -> dict[Way, Breaker]:
    """The ways that are not simply open to everybody, each with whether its probe is still under way."""
    breakers = list(Breaker.objects.all())
    probes = Attempt.objects.filter(pk__in=[row.probe for row in breakers], state=Attempt.State.LIVE)
    live = set(probes.values_list("pk", flat=True))
    for row in breakers:
        row.is_probed = row.probe in live
    return {Way(row.provider_id, row.upstream_model): row for row in breakers}


def closed_until(breaker: Breaker, now: datetime) -> datetime | None:
    """When to ask again; None where the next task may go through as the probe."""
    if now < breaker.open_until:
        return breaker.open_until
    if breaker.is_probed and breaker.probe_until and now < breaker.probe_until:
        return min(breaker.probe_until, now + timedelta(seconds=1))
    return None


def take_probe(breaker: Breaker, attempt_id: str, until: datetime, now: datetime) -> bool:
    """Makes this attempt the one that tries the way; False where another was faster since the breaker was read.

    A customer may give a task an hour. The others do not wait for it that long.
    """
    until = min(until, now + timedelta(seconds=LONGEST))
    unchanged = Breaker.objects.filter(pk=breaker.pk, probe=breaker.probe, open_until=breaker.open_until)
    return bool(unchanged.update(probe=attempt_id, probe_until=until))


def hear(attempts: Iterable[Attempt]) -> None:
    """Takes note of attempts that have ended, each with its outcome, empty where it brought images.

    A refusal, a customer's fault or a missing image says nothing against the way. Of a failure that is excused
    nothing is counted. The sandbox fails because a customer asked it to. Whatever is rolled back was not heard:
    it comes again.
    """
    routes = catalog.current().routes
    ended = [(way_of(routes[attempt.route_id]), attempt) for attempt in attempts if attempt.route_id in routes]
    ended.sort(key=lambda pair: (pair[0], pair[1].id))  # two batches locking in two orders would deadlock
    probed = {row.probe: row for row in Breaker.objects.filter(probe__in=[attempt.id for _, attempt in ended])}
    heard = []
    for way, attempt in ended:
        route = routes[attempt.route_id]
        failed, probe = attempt.outcome in FAILURES, probed.get(attempt.id)
        if failed and (route.mode == Mode.TEST or any(purchase.is_excused for purchase in attempt.bought)):
            continue
        if probe:
            _judge(probe, route.provider, attempt) if failed else close(probe, route.provider)
        else:
            heard.append((way, route.provider, attempt))
    transaction.on_commit(lambda: _count(heard), robust=True)  # what is settled is settled, whatever comes of this


def hear_hung(task_ids: Sequence[str], now: datetime) -> None:
    """Takes note of tasks whose deadline has come while a vendor was still working on them.

    Only where that has lasted for long, and it was asked all the while: a customer's short deadline says nothing
    against a vendor, and no more does a night without workers.
    """
    long_ago = now - HUNG_AFTER
    accepted = Purchase.objects.filter(state=Purchase.State.ACCEPTED, attempt__started_at__lte=long_ago)
    live = accepted.filter(attempt__task__in=task_ids, attempt__state=Attempt.State.LIVE)
    hung: dict[str, Attempt] = {}
    for purchase in live.select_related("attempt"):
        attempt = purchase.attempt
        seconds = (now - attempt.started_at).total_seconds()
        route = catalog.current().routes.get(attempt.route_id)
        if route and purchase.polls * route.adapter.poll_slowest >= seconds:
            attempt.outcome, attempt.message, attempt.bought = Outcome.UNKNOWN, f"no end after {seconds:.0f} s", []
            hung[attempt.id] = attempt
    hear(hung.values())


def _count(heard: Sequence[tuple[Way, str, Attempt]]) -> None:
    tripped = {}
    for way, provider, attempt in heard:
        too_many = _windows[way].hear(attempt.outcome in FAILURES)
        if too_many or attempt.outcome == Outcome.ROUTE_DOWN:
            tripped[way] = provider, attempt
    for way, (provider, attempt) in tripped.items():
        _open(way, provider, attempt)
        _windows.pop(way, None)


@transaction.atomic
def _open(way: Way, provider: str, attempt: Attempt) -> None:
    now = clock.now()
    seconds = _seconds(SHORTEST, attempt)
    _, is_new = Breaker.objects.get_or_create(
        **way._asdict(),
        defaults={
            "reason": _reason(attempt),
            "opened_at": now,
            "open_until": now + timedelta(seconds=seconds),
            "seconds": seconds,
        },
    )
    if is_new:
        text = f"{provider} is not used for {way.upstream_model}: {_reason(attempt)}"
        alerts.report([Raised(_cause(provider, way.upstream_model), text)])


def _judge(breaker: Breaker, provider: str, probe: Attempt) -> None:
    """The probe failed too."""
    seconds = _seconds(min(2 * breaker.seconds, LONGEST), probe)
    open_until = clock.now() + timedelta(seconds=seconds)
    Breaker.objects.filter(pk=breaker.pk, probe=probe.id).update(
        reason=_reason(probe), open_until=open_until, seconds=seconds, probe="", probe_until=None
    )
    alerts.report([Raised(_cause(provider, breaker.upstream_model), f"{provider} is still failing: {_reason(probe)}")])


def close(breaker: Breaker, provider: str) -> None:
    way = Way(breaker.provider_id, breaker.upstream_model)
    transaction.on_commit(lambda: _windows.pop(way, None))
    breaker.delete()
    alerts.end([_cause(provider, breaker.upstream_model)])


def _seconds(least: int, attempt: Attempt) -> int:
    """A vendor that says when to come back is not asked before, within reason."""
    return min(max(least, round(attempt.retry_after or 0)), LONGEST)


def _reason(attempt: Attempt) -> str:
    return f"{attempt.outcome}: {attempt.message}"[:300]


def _cause(provider: str, upstream_model: str) -> str:
    return f"route:{provider}:{upstream_model}"[:200]


def reset(ways: Sequence[Way] = ()) -> None:
    """Forgets what this process has heard, of these ways or of all."""
    for way in ways or list(_windows):
        _windows.pop(way, None)
