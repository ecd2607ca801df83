"""Claiming: which deliveries may go out now, so that no slow receiver holds up another.

The leases in the database are the requests in flight, of all workers together.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import randbits

from django.db import connection

from eggapi import clock
from webhooks import secrets
from webhooks.models import Delivery, Secret

LEASE = timedelta(seconds=60)
MOST_PER_HOST = 4
MOST_PER_ACCOUNT = 8
CLAIM_LOCK = 0x776562686F6F6B73  # "webhooks"


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery leased to this process until it is saved, with all that sending it takes."""

    id: int
    token: int
    event_id: str
    task_id: str
    url: str
    body: bytes
    attempts: int
    secrets: Sequence[Secret]
    at: datetime

    def __str__(self) -> str:
        return f"delivery {self.id} of {self.event_id}"


class Places:
    """How many more requests may be opened to each host and for each account."""

    def __init__(self, in_flight: Iterable[tuple[str, int]]) -> None:
        self.hosts: Counter[str] = Counter()
        self.accounts: Counter[int] = Counter()
        for host, account_id in in_flight:
            self._count(host, account_id)

    def take(self, host: str, account_id: int) -> bool:
        free = self.hosts[host] < MOST_PER_HOST and self.accounts[account_id] < MOST_PER_ACCOUNT
        if free:
            self._count(host, account_id)
        return free

    def full_hosts(self) -> list[str]:
        return [host for host, taken in self.hosts.items() if taken >= MOST_PER_HOST]

    def full_accounts(self) -> list[int]:
        return [account_id for account_id, taken in self.accounts.items() if taken >= MOST_PER_ACCOUNT]

    def _count(self, host: str, account_id: int) -> None:
        self.hosts[host] += 1
        self.accounts[account_id] += 1


def claim(room: int) -> list[Claimed]:
    """Leases at most `room` due deliveries, longest due first; those without a free place are left as they are."""
    _wait_for_turn()
    now = clock.now()
    rows = list(
        Delivery.objects.due(now)
        .filter(pk__in=_choose(room, now))
        .select_for_update(of=("self",), skip_locked=True)
        .select_related("event")
    )
    if not rows:
        return []
    # Drawn anew for every claim, so that no two leases, of this row or another, share a token.
    token = randbits(63)
    Delivery.objects.filter(pk__in=[row.pk for row in rows]).update(lease_until=now + LEASE, lease_token=token)
    live = secrets.live({row.account_id for row in rows}, now)
    return [
        Claimed(
            id=row.pk,
            token=token,
            event_id=row.event_id,
            task_id=row.event.task_id,
            url=row.url,
            body=bytes(row.event.payload),
            attempts=row.attempts,
            secrets=live[row.account_id],
            at=now,
        )
        for row in rows
    ]


def _wait_for_turn() -> None:
    """One claim at a time, or two at once would each fill the same places. SQLite has one writer anyway."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CLAIM_LOCK])


def _choose(room: int, now: datetime) -> list[int]:
    """Reads past the hosts and accounts that have no place free, however much waits for them."""
    places = Places(Delivery.objects.in_flight(now).values_list("host", "account_id"))
    chosen: list[int] = []
    more = True
    while more and len(chosen) < room:
        waiting = (
            Delivery.objects.due(now)
            .exclude(pk__in=chosen)
            .exclude(host__in=places.full_hosts())
            .exclude(account__in=places.full_accounts())
        )
        page = list(waiting.order_by("next_run_at", "pk").values_list("pk", "host", "account_id")[:room])
        chosen += [pk for pk, host, account_id in page if places.take(host, account_id)]
        more = len(page) == room
    return chosen[:room]
