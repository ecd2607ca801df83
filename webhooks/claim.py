"""Claiming: which deliveries may go out now, so that no slow receiver holds up another.

The leases in the database are the requests in flight, of all workers together.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import randbits

from django.db import connection
from django.db.models import Exists, OuterRef, Q

from eggapi import clock
from webhooks import secrets
from webhooks.models import Delivery, Origin, Secret

LEASE = timedelta(seconds=60)
MOST_PER_HOST = 4
MOST_PER_ACCOUNT = 8
MOST_ENDED = 1000
ITS_ORIGIN = Origin.objects.filter(account=OuterRef("account"), host=OuterRef("host"))
IS_DISABLED = Q(disabled_at__isnull=False)
IS_CLOSED = Q(account__suspended_at__isnull=False) | Q(account__deleted_at__isnull=False)
CLAIM_LOCK = 0x776562686F6F6B73  # "webhooks"


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery leased to this process until it is saved, with all that sending it takes.

    `delivered` says that it was before, `failing` that its origin has lately done nothing but fail.
    """

    id: int
    token: int
    event_id: str
    task_id: str
    url: str
    body: bytes
    attempts: int
    granted: int
    by_hand: bool
    delivered: bool
    account_id: int
    host: str
    failing: bool
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


class Closed:
    """Whom nothing is sent to: accounts that are suspended or deleted, and disabled origins of the others."""

    def __init__(self) -> None:
        self.accounts: set[int] = set()
        self.origins: set[tuple[int, str]] = set()

    @property
    def those_of_accounts(self) -> Q:
        return Q(account__in=self.accounts)

    @property
    def those_of_origins(self) -> Q:
        """What somebody asks for by hand goes there nevertheless."""
        theirs = Q(pk__in=[])
        for account_id, host in self.origins:
            theirs |= Q(account=account_id, host=host, by_hand=False)
        return theirs


def claim(room: int) -> list[Claimed]:
    """Leases at most `room` due deliveries, longest due first; those without a free place are left as they are.

    Ends those that come due for an account or an origin that is closed.
    """
    _wait_for_turn()
    now = clock.now()
    chosen, closed = _choose(room, now)
    if closed.accounts:
        _end(closed.those_of_accounts, Delivery.State.STOPPED, "the account is closed", now)
    if closed.origins:
        _end(closed.those_of_origins, Delivery.State.DISABLED, "the receiver is disabled", now)
    rows = list(
        Delivery.objects.due(now)
        .filter(pk__in=chosen)
        .annotate(failing=Exists(ITS_ORIGIN))
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
            task_id=row.event.task_id or "",
            url=row.url,
            body=bytes(row.event.payload),
            attempts=row.attempts,
            granted=row.granted,
            by_hand=row.by_hand,
            delivered=row.delivered_at is not None,
            account_id=row.account_id,
            host=row.host,
            failing=row.failing,
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


def _choose(room: int, now: datetime) -> tuple[list[int], Closed]:
    """Reads past the hosts and accounts that have no place free or are closed, however much waits for them."""
    places = Places(Delivery.objects.in_flight(now).values_list("host", "account_id"))
    closed = Closed()
    chosen: list[int] = []
    more = True
    while more and len(chosen) < room:
        waiting = (
            Delivery.objects.due(now)
            .exclude(pk__in=chosen)
            .exclude(host__in=places.full_hosts())
            .exclude(account__in=places.full_accounts())
            .exclude(closed.those_of_accounts | closed.those_of_origins)
            .annotate(account_closed=IS_CLOSED, origin_closed=Q(by_hand=False) & Exists(ITS_ORIGIN.filter(IS_DISABLED)))
        )
        page = list(
            waiting.order_by("next_run_at", "pk").values_list(
                "pk", "host", "account_id", "account_closed", "origin_closed"
            )[:room]
        )
        for pk, host, account_id, account_closed, origin_closed in page:
            if account_closed:
                closed.accounts.add(account_id)
            elif origin_closed:
                closed.origins.add((account_id, host))
            elif places.take(host, account_id):
                chosen.append(pk)
        more = len(page) == room
    return chosen[:room], closed


def _end(theirs: Q, state: str, error: str, now: datetime) -> None:
    """Some of them; the next claim goes on."""
    some = Delivery.objects.due(now).filter(theirs).select_for_update(of=("self",), skip_locked=True)
    Delivery.objects.filter(pk__in=list(some.values_list("pk", flat=True)[:MOST_ENDED])).end(state, error)
