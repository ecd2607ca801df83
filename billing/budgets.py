"""Budgets: what a key, or a whole account, may spend in a period.

A budget is taken from and given back to under the lock of the account's wallet, so that nothing here
can deadlock and a race is decided by the same row as the money itself.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Case, F, PositiveSmallIntegerField, Value, When

from accounts.models import ApiKey
from billing.models import Budget, Hold
from eggapi.money import usd

EVER = datetime(1970, 1, 1, tzinfo=UTC)
WHOLE_ACCOUNT = 0


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `limit` micro-dollars per `period` (empty: in all) for a key, or with `key` 0 for the account."""

    key: int
    limit: int
    period: str


def period_start(period: str, now: datetime) -> datetime:
    """Days begin at 00:00 UTC, weeks on Monday."""
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    match period:
        case ApiKey.Period.DAY:
            return day
        case ApiKey.Period.WEEK:
            return day - timedelta(days=day.weekday())
        case ApiKey.Period.MONTH:
            return day.replace(day=1)
    return EVER


def take(account_id: int, mode: str, cap: Cap, amount: int, now: datetime) -> int | None:
    """Promises a part of the budget; returns the id of its row, or None where it does not cover the amount."""
    row, _ = Budget.objects.get_or_create(
        account_id=account_id,
        mode=mode,
        key=cap.key,
        period_start=period_start(cap.period, now),
        defaults={"limit": cap.limit},
    )
    covering = Budget.objects.filter(pk=row.pk, used__lte=usd(cap.limit - amount))
    # The limit may have been changed since the period began; of a raised one its owners are told anew.
    told = Case(
        When(limit__lt=usd(cap.limit), then=Value(0)), default=F("told"), output_field=PositiveSmallIntegerField()
    )
    return row.pk if covering.update(used=F("used") + usd(amount), limit=cap.limit, told=told) else None


def give_back(amounts: Iterable[tuple[int, int]]) -> None:
    """Returns (id of a row, amount) pairs."""
    sums: dict[int, int] = defaultdict(int)
    for row_id, amount in amounts:
        sums[row_id] += amount
    for row_id, amount in sorted(sums.items()):
        if row_id and amount:
            Budget.objects.filter(pk=row_id).update(used=F("used") - usd(amount))


def unspent(hold: Hold, captured: int) -> list[tuple[int, int]]:
    """What the end of a hold gives back to its budgets."""
    return [(hold.key_budget, hold.amount - captured), (hold.account_budget, hold.amount - captured)]
