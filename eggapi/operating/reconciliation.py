"""The page that says whether the books agree: what the last audit found, and what is quick to see now."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts import auditlog
from accounts.admin import actor_of
from billing.models import Hold, Wallet
from eggapi import clock
from eggapi.doorbell import ring
from generation import audit
from generation.audit import RouteMargin

LONG_HELD = timedelta(hours=1)
MOST_ROWS = 20


@dataclass(slots=True)
class ProviderMargin:
    """Sums over a provider's routes, in micro-dollars."""

    name: str
    revenue: int = 0
    cost: int = 0
    leak: int = 0

    @property
    def left(self) -> int:
        return self.revenue - self.cost


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("billing.view_wallet", raise_exception=True)
def page(request: HttpRequest) -> HttpResponse:
    """/admin/billing/wallet/reconciliation/; a POST has a worker audit now."""
    if request.method == "POST":
        ring("generation.tasks.audit")
        auditlog.note("ledger.audit", "the ledger", actor_of(request))
        messages.info(request, "A worker audits the books now. Load this page again in a moment.")
        return redirect("admin:reconciliation")
    found = audit.last()
    context = {
        "title": "Reconciliation",
        "found": found,
        "providers": _by_provider(found.margins) if found else [],
        "days": audit.MARGIN_DAYS,
        "sums": Wallet.objects.order_by("mode").values("mode").annotate(Sum("posted"), Sum("held"), Sum("owed")),
        "holds": _long_held(clock.now()),
        "debtors": Wallet.objects.filter(owed__gt=0).select_related("account").order_by("-owed")[:MOST_ROWS],
        "most": MOST_ROWS,
    }
    return render(request, "operating/reconciliation.html", admin.site.each_context(request) | context)


def _long_held(now: datetime) -> Sequence[Hold]:
    """The state is written out, because the index of open holds is not used for one that is passed."""
    sql = "SELECT * FROM billing_hold WHERE state = 'open' AND created_at < %s ORDER BY created_at LIMIT %s"
    holds = list(Hold.objects.raw(sql, [now - LONG_HELD, MOST_ROWS]))
    wallets = Wallet.objects.select_related("account").in_bulk([hold.wallet_id for hold in holds])
    for hold in holds:
        hold.wallet = wallets[hold.wallet_id]
    return holds


def _by_provider(margins: Iterable[RouteMargin]) -> list[ProviderMargin]:
    """The one that leaks most first."""
    sums: dict[str, ProviderMargin] = defaultdict(lambda: ProviderMargin(""))
    for each in margins:
        one = sums[each.provider]
        one.name = each.provider
        one.revenue, one.cost, one.leak = one.revenue + each.revenue, one.cost + each.cost, one.leak + each.leak
    return sorted(sums.values(), key=lambda one: (-one.leak, one.name))
