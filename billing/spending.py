"""Telling the owners of an account what is being spent, once each: budgets, dear hours, low balances."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import TruncHour

from accounts import letters
from accounts.models import Account, ApiKey, Mode
from billing.budgets import WHOLE_ACCOUNT, period_start
from billing.models import Budget, UsageRecord, Wallet
from eggapi import clock, money
from eggapi.money import UsdField, usd

# Percent of a budget -> the part of it that is left then at most; whole numbers, so that nothing is rounded up.
LEFT = {100: usd(0), 80: F("limit") / usd(5), 50: F("limit") / usd(2)}
DEAR = 10  # times what an hour costs as a rule
DEAR_AT_LEAST = 1_000_000  # $1.00
HOUR, USUAL = timedelta(hours=1), timedelta(days=7)
LOOK_BACK = timedelta(minutes=5)  # so that the last minutes of a period are not lost
RESETS = {ApiKey.Period.DAY: "at 00:00 UTC", ApiKey.Period.WEEK: "on Monday at 00:00 UTC"}
RESETS |= {ApiKey.Period.MONTH: "on the first of the month at 00:00 UTC"}


def warn() -> None:
    now = clock.now()
    _warn_of_budgets(now)
    _warn_of_dear_hours(now)
    _warn_of_low_balances(now)


# -- budgets ---------------------------------------------------------------------------------------


def _warn_of_budgets(now: datetime) -> None:
    """The dearest news only: whoever jumps from nothing to 80 % gets one letter."""
    starts = {period_start(period, moment) for period in ("", *ApiKey.Period) for moment in (now, now - LOOK_BACK)}
    for percent, left in LEFT.items():
        spent = Budget.objects.filter(period_start__in=starts, used__gt=usd(0), told__lt=percent)
        for budget in spent.filter(used__gte=F("limit") - left).select_related("account"):
            _tell_of_budget(budget, percent)


@transaction.atomic
def _tell_of_budget(budget: Budget, percent: int) -> None:
    if not Budget.objects.filter(pk=budget.pk, told=budget.told).update(told=percent):
        return
    key = ApiKey.objects.filter(pk=budget.key).first()
    facts: dict[str, Any] = {"percent": percent, "used": money.short(budget.used), "limit": money.short(budget.limit)}
    if budget.key == WHOLE_ACCOUNT:
        letters.to_owners(budget.account, "monthly_cap", **facts)
    elif key is not None:
        resets = RESETS.get(ApiKey.Period(key.budget_period)) if key.budget_period else None
        letters.to_owners(budget.account, "budget", key=key, resets=resets, **facts)


# -- dear hours ------------------------------------------------------------------------------------


def _warn_of_dear_hours(now: datetime) -> None:
    """An hour of live money that costs ten times what the last week's hours with any usage did, on average."""
    hour = hour_of(now)
    this_hour = _spent_between(hour, hour + HOUR).filter(account=OuterRef("account"))
    cost = this_hour.values("account").annotate(cost=Sum("cost")).values("cost")
    not_told = Q(account__dear_hour_told_at=None) | Q(account__dear_hour_told_at__lt=hour)
    spenders = Wallet.objects.filter(not_told, mode=Mode.LIVE, task_count__gt=0)
    # A look into the index of each account's records: there are fewer accounts than records.
    dear = spenders.annotate(cost=Subquery(cost, UsdField())).filter(cost__gte=usd(DEAR_AT_LEAST))
    for account_id, spent in dear.values_list("account", "cost"):
        usual = _usual_hour(account_id, hour)
        if usual and spent >= DEAR * usual:
            _tell_of_hour(Account.objects.get(pk=account_id), hour, spent, usual)


def hour_of(now: datetime) -> datetime:
    """When the hour to look at began; one that is over is looked at once more."""
    return (now - timedelta(minutes=1)).replace(minute=0, second=0, microsecond=0)


def _spent_between(start: datetime, end: datetime) -> QuerySet[UsageRecord]:
    return UsageRecord.objects.filter(mode=Mode.LIVE, created_at__gte=start, created_at__lt=end)


def _usual_hour(account_id: int, hour: datetime) -> int:
    """The mean of the hours in which anything was spent; 0 where there were none."""
    records = _spent_between(hour - USUAL, hour).filter(account=account_id)
    costs = [row["cost"] for row in records.values(hour=TruncHour("created_at")).annotate(cost=Sum("cost"))]
    return sum(costs) // len(costs) if costs else 0


@transaction.atomic
def _tell_of_hour(account: Account, hour: datetime, spent: int, usual: int) -> None:
    not_told = Q(dear_hour_told_at=None) | Q(dear_hour_told_at__lt=hour)
    if Account.objects.filter(not_told, pk=account.pk).update(dear_hour_told_at=hour):
        letters.to_owners(account, "dear_hour", hour=hour, spent=money.short(spent), usual=money.short(usual))


# -- low balances ----------------------------------------------------------------------------------


def _warn_of_low_balances(now: datetime) -> None:
    """Once, until the balance has been above again."""
    free = Wallet.objects.filter(mode=Mode.LIVE, account__low_balance__isnull=False).alias(free=F("posted") - F("held"))
    above = free.filter(free__gte=F("account__low_balance")).exclude(account__low_balance_told_at=None)
    Account.objects.filter(pk__in=list(above.values_list("account", flat=True))).update(low_balance_told_at=None)
    low = free.filter(free__lt=F("account__low_balance"), account__low_balance_told_at=None)
    for wallet in low.select_related("account"):
        _tell_of_balance(wallet, now)


@transaction.atomic
def _tell_of_balance(wallet: Wallet, now: datetime) -> None:
    if Account.objects.filter(pk=wallet.account_id, low_balance_told_at=None).update(low_balance_told_at=now):
        letters.to_owners(
            wallet.account,
            "low_balance",
            free=money.short(wallet.available),
            low=money.short(wallet.account.low_balance or 0),
        )
