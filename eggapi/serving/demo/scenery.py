"""What stands around the demo's tasks: money paid in, codes, incidents, the bars of /status, an alert that is over."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from random import Random
from typing import Any

from django.db.models import F

from accounts.models import Account, Mode
from billing import redeem
from billing.models import LedgerEntry, RedeemBatch, RedeemCode, Redemption, TopUp, Wallet
from eggapi import crypto
from eggapi.models import Alert, Day, Incident
from eggapi.money import MICROS, usd
from eggapi.serving import history
from generation import catalog

STATUS_DAYS = 90
LOOKS = 24 * 60
CODE_WORTH = 25 * MICROS
TOPUP = 20 * MICROS
FIRST_DAY = timedelta(days=31)


def welcome(account: Account, mode: Mode, now: datetime, random: Random) -> int:
    """The first money of the account, and a top-up that was never paid; returns how much there is."""
    at = now - FIRST_DAY
    _order(account, TOPUP, at + timedelta(days=3), random).save(force_insert=True)
    if mode == Mode.TEST:
        return 0
    entry = _enter(
        account, mode, LedgerEntry.Kind.REDEEM, LedgerEntry.Counterpart.PROMO, CODE_WORTH, at, reason="code EGG-...DEMO"
    )
    batch = RedeemBatch.objects.create(name=f"Demo, {account}"[:100], amount=CODE_WORTH, created_at=at)
    digest = crypto.digest(history.text(random, f"demo {account.pk} "))  # of no code that anybody could type
    code = RedeemCode.objects.create(batch=batch, digest=digest, display="EGG-...DEMO", uses_left=0)
    Redemption.objects.create(code=code, account=account, entry=entry, at=at)
    return CODE_WORTH


def pay_in(account: Account, mode: Mode, amount: int, at: datetime, random: Random) -> int:
    """Play money, or a top-up that was paid; returns the amount."""
    kinds, parts = LedgerEntry.Kind, LedgerEntry.Counterpart
    if mode == Mode.TEST:
        _enter(account, mode, kinds.CREDIT, parts.PROMO, amount, at, reason="play money")
        return amount
    topup = _order(account, amount, at - timedelta(minutes=2), random)
    topup.state, topup.payment, topup.paid_at = TopUp.State.PAID, history.text(random, "pi_demo_"), at
    topup.save(force_insert=True)
    _enter(account, mode, kinds.TOPUP, parts.TOPUP, amount, at, reason=topup.order, reference=topup.payment)
    return amount


def _order(account: Account, amount: int, at: datetime, random: Random) -> TopUp:
    order = history.text(random, "top_")
    return TopUp(order=order, account=account, provider="demo", amount=amount, state=TopUp.State.EXPIRED, created_at=at)


def _enter(
    account: Account, mode: Mode, kind: str, counterpart: str, amount: int, at: datetime, **fields: str
) -> LedgerEntry:
    wallet_id = Wallet.id_of(account.pk, mode)
    Wallet.objects.filter(pk=wallet_id).update(posted=F("posted") + usd(amount))
    return LedgerEntry.objects.create(
        wallet_id=wallet_id, kind=kind, counterpart=counterpart, amount=amount, created_at=at, **fields
    )


# -- what belongs to the installation ----------------------------------------------------------------


def set_up(story: Mapping[str, Any], now: datetime, random: Random) -> None:
    redeem.make("Conference, October", 5 * MICROS, count=20, uses=1, expires=timedelta(days=60))
    redeem.make("Newsletter", 2 * MICROS, count=1, uses=500, expires=None)
    redeem.revoke("Newsletter")
    incidents = [_incident(entry, now) for entry in story["incidents"]]
    Incident.objects.bulk_create(incidents)
    Day.objects.bulk_create(_days(incidents, now, random), ignore_conflicts=True)
    _alert(now)


def _incident(entry: Mapping[str, Any], now: datetime) -> Incident:
    started = now - timedelta(hours=entry["hours_ago"])
    return Incident(
        title=entry["title"],
        text=entry["text"],
        impact=entry["impact"],
        part=entry["part"],
        started_at=started,
        ended_at=started + timedelta(minutes=entry["minutes"]),
    )


def _days(incidents: list[Incident], now: datetime, random: Random) -> list[Day]:
    """All was well but for the incidents, and a bad minute now and then."""
    days = []
    for part in ("api", "workers", *catalog.current().models):
        for back in range(STATUS_DAYS):
            day = (now - timedelta(days=back)).date()
            row = Day(part=part, day=day, looks=LOOKS if back else now.hour * 60 + now.minute)
            row.degraded = random.randint(1, 4) if random.random() < 0.03 else 0
            for incident in incidents:
                if incident.started_at.date() == day and incident.part in ("", part):
                    _count(row, incident)
            days.append(row)
    return days


def _count(row: Day, incident: Incident) -> None:
    """Every minute is one look; an incident that lasts past midnight stays with its first day."""
    assert incident.ended_at
    minutes = int((incident.ended_at - incident.started_at).total_seconds() // 60)
    if incident.impact == Incident.Impact.DOWN:
        row.down += minutes
    else:
        row.degraded += minutes


def _alert(now: datetime) -> None:
    raised = now - timedelta(days=6, hours=2)
    Alert.objects.get_or_create(
        cause="answer:sandbox-b:nanobanana-pro",
        defaults={
            "text": "sandbox-b: the answer cannot be read.",
            "count": 14,
            "raised_at": raised,
            "last_at": raised + timedelta(minutes=40),
            "ended_at": raised + timedelta(days=1, minutes=47),
            "told_at": raised,
        },
    )
