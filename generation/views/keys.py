"""API keys: the list with what each of them spends, one key, and the forms that make and change them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from accounts import auditlog, flash, keyring
from accounts.fields import OVERLAPS
from accounts.forms import OVERLAPS as OVERLAP_WORDS
from accounts.forms import ChangedKeyForm, KeyForm
from accounts.member import Member, members_only, require
from accounts.models import ApiKey, AuditEntry
from accounts.serializers import rate_text
from accounts.views.keys import own_key
from billing import ledger, meters
from billing.meters import Meter, Spent
from billing.models import DailyUsage
from eggapi import charts, clock, pagination
from eggapi.envelope import base_url
from generation import catalog
from generation.selection import NO_KEY

DAYS = 30
ACTIVE = timedelta(days=7)
UNUSED = timedelta(days=30)
ENTRIES = 20
FIRST_CALL = """curl {base}/v1/generate -H "Authorization: Bearer $KEY" \\
  -H "Content-Type: application/json" \\
  -d '{{"model": "nanobanana", "prompt": "a lighthouse in the morning mist"}}'"""
SAME_BY_API = """# Where does this key stand? Balance in the body, rates in the headers.
curl -i {base}/v1/balance -H "Authorization: Bearer $KEY"

# It leaked: revoke it, from wherever it was found.
curl {base}/v1/keys/report -H "Content-Type: application/json" -d '{{"key": "'$KEY'"}}'"""


@dataclass(frozen=True, slots=True)
class Row:
    """A key as the list shows it."""

    key: ApiKey
    state: str
    use: str
    spent: Spent
    budget: Meter | None

    @property
    def rate(self) -> str | None:
        return rate_text(self.key)


def use_of(key: ApiKey, now: datetime) -> str:
    """active, idle, unused (for 30 days: it can probably go) or new"""
    if key.last_used_at and key.last_used_at > now - ACTIVE:
        return "active"
    if (key.last_used_at or key.created_at) < now - UNUSED:
        return "unused"
    return "idle" if key.last_used_at else "new"


def names_of(member: Member) -> dict[int, str]:
    """What the account's keys of this mode are called, by name; first the dashboard, for which NO_KEY stands."""
    own = ApiKey.objects.filter(account=member.account, mode=member.mode).only("name", "display")
    return {NO_KEY: "Dashboard"} | {key.pk: key.name or key.display for key in own.order_by("name", "pk")}


@require_GET
@members_only
def keys(request: HttpRequest, member: Member) -> HttpResponse:
    """GET /keys: those that work; with ?show=all the revoked and the expired ones too."""
    now = clock.now()
    own = ApiKey.objects.filter(account=member.account, mode=member.mode)
    shows_all = request.GET.get("show") == "all"
    page = pagination.turn((own if shows_all else _current(own, now)).order_by("-pk"), request.GET)
    context = {
        "page": page,
        "rows": _rows(page.rows, member, now),
        "shows_all": shows_all,
        "sample": FIRST_CALL.format(base=base_url(request)),
        "api": SAME_BY_API.format(base=base_url(request)),
    }
    return render(request, "generation/keys.html", context)


def _current(keys: QuerySet[ApiKey], now: datetime) -> QuerySet[ApiKey]:
    return keys.filter(Q(expires_at=None) | Q(expires_at__gt=now), revoked_at=None)


def _rows(found: list[ApiKey], member: Member, now: datetime) -> list[Row]:
    account, mode = member.account.pk, member.mode
    spent = meters.spent_since((now - timedelta(days=DAYS - 1)).date(), account, mode, [key.pk for key in found])
    budgets = meters.read(account, mode, meters.caps_of(found), now)
    return [
        Row(key, key.state(now), use_of(key, now), spent.get(key.pk, Spent()), budgets.get(key.pk)) for key in found
    ]


@require_http_methods(["GET", "POST"])
@members_only
def new(request: HttpRequest, member: Member) -> HttpResponse:
    """GET and POST /keys/new: makes a key of the chosen mode, which the next page shows, once."""
    require(member, "keys")
    form = KeyForm(request.POST or None, models=list(catalog.current().models))
    if form.is_valid():
        key, text = keyring.make(member.account, member.mode, form.new, member.user)
        flash.keep(request, f"key {key.pk}", text)
        return redirect("key_made", key.pk)
    return render(request, "generation/key_form.html", {"form": form})


@require_GET
@members_only
def made(request: HttpRequest, member: Member, key_id: int) -> HttpResponse:
    """GET /keys/{id}/made: the key itself, the first time; then only what is known of it."""
    key = own_key(member, key_id)
    text = flash.take(request, f"key {key.pk}")
    if not text:
        return redirect("key", key.pk)
    context = {"key": key, "text": text, "curl": _first_call(key, text, base_url(request))}
    return render(request, "generation/key_made.html", context)


def _first_call(key: ApiKey, text: str, base: str) -> str:
    """Something that this key may do."""
    if not key.scopes or ApiKey.Scope.GENERATE in key.scopes:
        model = next(iter(key.allowed_models or catalog.current().models), "nanobanana")
        return (
            f'curl {base}/v1/generate \\\n  -H "Authorization: Bearer {text}" \\\n'
            '  -H "Content-Type: application/json" \\\n'
            f'  -d \'{{"model": "{model}", "prompt": "a lighthouse in the morning mist"}}\''
        )
    path = "tasks" if ApiKey.Scope.TASKS_READ in key.scopes else "balance"
    return f'curl {base}/v1/{path} \\\n  -H "Authorization: Bearer {text}"'


@require_GET
@members_only
def key(request: HttpRequest, member: Member, key_id: int) -> HttpResponse:
    """GET /keys/{id}: of either mode, its figures in its own."""
    found, now = own_key(member, key_id), clock.now()
    first_day = (now - timedelta(days=DAYS - 1)).date()
    entries = AuditEntry.objects.filter(account=member.account, target__endswith=f"({found.display})")
    context = {
        "key": found,
        "state": found.state(now),
        "use": use_of(found, now),
        "rate": rate_text(found),
        "open_tasks": ledger.open_holds_of(found.pk),
        "budget": meters.read(found.account_id, found.mode, meters.caps_of([found]), now).get(found.pk),
        "spent": meters.spent_since(first_day, found.account_id, found.mode, [found.pk]).get(found.pk, Spent()),
        "chart": _chart(found, now),
        "entries": auditlog.lines(entries.select_related("actor").order_by("-pk")[:ENTRIES]),
        "overlaps": [(overlap, OVERLAP_WORDS[overlap]) for overlap in OVERLAPS],
        "api": SAME_BY_API.format(base=base_url(request)),
    }
    return render(request, "generation/key.html", context)


def _chart(key: ApiKey, now: datetime) -> str:
    days = [(now - timedelta(days=ago)).date() for ago in range(DAYS - 1, -1, -1)]
    own = DailyUsage.objects.filter(account=key.account_id, mode=key.mode, key=key.pk, day__gte=days[0])
    found = dict(own.values_list("day").annotate(total=Sum("requests")))
    labels = [f"{day:%d %b}" for day in days]
    return charts.columns("Completed tasks a day", labels, {"tasks": [found.get(day, 0) for day in days]})


@require_http_methods(["GET", "POST"])
@members_only
def edit(request: HttpRequest, member: Member, key_id: int) -> HttpResponse:
    """GET and POST /keys/{id}/edit: its name and what it may do."""
    require(member, "keys")
    found = own_key(member, key_id)
    form = ChangedKeyForm(request.POST or None, key=found, models=list(catalog.current().models))
    if form.is_valid():
        if not keyring.change(found, form.new, member.user):
            raise Http404("This key is revoked.")
        return redirect("key", found.pk)
    return render(request, "generation/key_form.html", {"form": form, "key": found})
