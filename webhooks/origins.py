"""Origins that only fail: counted, disabled after five days, and their owners told."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q

from accounts import auditlog, letters
from accounts.models import Account, User
from webhooks.models import Origin

LEAST_FAILURES = 10
FAILING_FOR = timedelta(hours=120)

Pair = tuple[int, str]  # account id and host


@dataclass(frozen=True, slots=True)
class Result:
    """What came of an attempt; an empty `error` is a success. `known` says that the origin had failed before."""

    pair: Pair
    error: str
    by_hand: bool
    known: bool


def note(results: Iterable[Result], now: datetime) -> None:
    """Counts failures up, in the caller's transaction; a single success clears them, and enables again.

    A failure of what somebody asked for by hand says nothing of the daily traffic.
    """
    well: set[Pair] = set()
    failed: dict[Pair, list[str]] = defaultdict(list)
    for result in results:
        if not result.error:
            well |= {result.pair} if result.known else set()
        elif not result.by_hand:
            failed[result.pair].append(result.error)
    for pair in sorted(well | failed.keys()):  # two couriers locking in two orders would deadlock
        if pair in well:
            Origin.objects.filter(account_id=pair[0], host=pair[1]).delete()
        else:
            _count_up(pair, failed[pair], now)


@transaction.atomic
def enable(account: Account, host: str, actor: User | None = None) -> bool:
    """Forgets the failures of a disabled origin. False where it is not disabled."""
    enabled, _ = Origin.objects.filter(account=account, host=host, disabled_at__isnull=False).delete()
    if enabled:
        auditlog.note("webhook_origin.enable", host, actor, account)
    return bool(enabled)


def _count_up(pair: Pair, errors: list[str], now: datetime) -> None:
    account_id, host = pair
    first = Origin(account_id=account_id, host=host, first_failure_at=now, last_failure_at=now)
    Origin.objects.bulk_create([first], ignore_conflicts=True)
    one = Origin.objects.filter(account_id=account_id, host=host)
    one.update(failures=F("failures") + len(errors), last_failure_at=now, last_error=errors[-1])
    is_dead = Q(failures__gte=LEAST_FAILURES, first_failure_at__lte=now - FAILING_FOR, disabled_at=None)
    if one.filter(is_dead).update(disabled_at=now):
        origin = one.select_related("account").get()
        letters.to_owners(origin.account, "receiver_disabled", origin=origin)
