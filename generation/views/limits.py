"""Limits: how often one may call, how much one may spend, and what was refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings
from django.contrib import messages
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods

from accounts import amend, limits, refusals
from accounts.forms import SpendingForm
from accounts.member import Member, members_only, require
from accounts.models import ApiKey, Mode
from billing import meters
from billing.budgets import WHOLE_ACCOUNT, Cap
from billing.meters import Meter
from billing.models import Wallet
from eggapi import charts, clock
from eggapi.envelope import base_url
from eggapi.ratelimit import Limit, Verdict

MOST_KEYS = 50
CHARTED = 5
SAME_BY_API = """# Every answer says where you stand.
curl -si {base}/v1/balance -H "Authorization: Bearer $KEY" | grep -i ratelimit"""


@dataclass(frozen=True, slots=True)
class Gauge:
    """A limit and where it stands: `free` calls would pass at this moment."""

    limit: Limit
    verdict: Verdict

    @property
    def burst(self) -> int:
        return self.limit.burst or self.limit.rate

    @property
    def used(self) -> int:
        return self.burst - self.verdict.remaining

    @property
    def percent(self) -> int:
        return self.used * 100 // self.burst

    @property
    def per(self) -> str:
        return {1: "second", 60: "minute", 3600: "hour", 86_400: "day"}[self.limit.per_seconds]


@dataclass(frozen=True, slots=True)
class Row:
    """A key as the table of limits shows it; `refused` is of the last 24 hours."""

    key: ApiKey
    submits: Gauge
    reads: Gauge
    open_tasks: int
    budget: Meter | None
    refused: int


@require_http_methods(["GET", "POST"])
@members_only
def page(request: HttpRequest, member: Member) -> HttpResponse:
    """GET /limits; POST sets the account's monthly cap and when it is told of a low balance."""
    account = member.account
    form = SpendingForm(
        request.POST or None,
        initial={"monthly_cap": account.monthly_cap, "low_balance": account.low_balance},
    )
    if request.method == "POST":
        require(member, "money")
        if form.is_valid():
            if amend.amend(account, member.user, **form.cleaned_data):
                messages.success(request, "Saved.")
            return redirect("limits")
    return render(request, "generation/limits.html", {"form": form, **_figures(request, member)})


def _figures(request: HttpRequest, member: Member) -> dict[str, object]:
    account, now = member.account, clock.now()
    keys = _working_keys(member)
    refused = refusals.read(account.pk, [refusals.DASHBOARD, *(key.pk for key in keys)])
    of_account, submits, reads = limits.standing(account.pk, keys)
    open_tasks = meters.open_tasks([key.pk for key in keys])
    budgets = meters.read(account.pk, member.mode, meters.caps_of(keys), now)
    return {
        "submits": Gauge(limits.SUBMITS, of_account),
        "reads": limits.READS,
        "open_tasks": Wallet.objects.values_list("open_holds", flat=True).get(pk=Wallet.id_of(account.pk, member.mode)),
        "most_open": settings.EGGAPI_OPEN_TASKS,
        "cap": _cap(member, now),
        "rows": [
            Row(
                key,
                Gauge(limits.rate_of(key), submits[i]),
                Gauge(limits.READS, reads[i]),
                open_tasks.get(key.pk, 0),
                budgets.get(key.pk),
                sum(refused.get(key.pk, [])),
            )
            for i, key in enumerate(keys)
        ],
        "most_keys": MOST_KEYS,
        "refused": sum(map(sum, refused.values())),
        "chart": _chart(keys, refused),
        "api": SAME_BY_API.format(base=base_url(request)),
    }


def _working_keys(member: Member) -> list[ApiKey]:
    """Those used last, first."""
    usable = ApiKey.objects.usable().filter(account=member.account, mode=member.mode)
    return list(usable.order_by(F("last_used_at").desc(nulls_last=True), "-pk")[:MOST_KEYS])


def _cap(member: Member, now: datetime) -> Meter | None:
    """The account's monthly cap, which is for live money only."""
    if member.account.monthly_cap is None:
        return None
    cap = Cap(WHOLE_ACCOUNT, member.account.monthly_cap, ApiKey.Period.MONTH)
    return meters.read(member.account.pk, Mode.LIVE, [cap], now)[WHOLE_ACCOUNT]


def _chart(keys: Sequence[ApiKey], refused: Mapping[int, list[int]]) -> SafeString | None:
    """The keys that were refused most, each in its colour, and the others together; None where nobody was."""
    names = {refusals.DASHBOARD: "dashboard", **{key.pk: f"{key.name} ({key.display[-4:]})" for key in keys}}
    worst = sorted((pk for pk in refused if any(refused[pk])), key=lambda pk: -sum(refused[pk]))
    if not worst:
        return None
    series = {names[pk]: refused[pk] for pk in worst[:CHARTED]}
    if rest := worst[CHARTED:]:
        series["others"] = [sum(hour) for hour in zip(*(refused[pk] for pk in rest), strict=True)]
    labels = [f"{datetime.fromtimestamp(hour * refusals.HOUR, UTC):%H:00}" for hour in refusals.hours()]
    return charts.columns("Refused requests an hour (UTC)", labels, series)
