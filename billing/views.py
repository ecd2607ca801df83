"""The billing page: what is there, what has moved it, and how more comes in."""

from datetime import date, datetime, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts import amend, limits
from accounts.member import Member, members_only, require
from accounts.models import Mode
from billing import mix, passbook, redeem, statement, topup
from billing.api import REDEMPTIONS, REDEMPTIONS_PER_ADDRESS, TOPUPS
from billing.forms import LedgerFilter, RedeemForm, TopUpForm, WarningForm
from billing.ledger import PLAY_MONEY
from billing.models import LedgerEntry, TopUp, Wallet
from billing.refill import refill
from eggapi import clock, money, pagination
from eggapi.envelope import base_url
from eggapi.errors import NotFound, RateLimited, ServiceUnavailable
from eggapi.posting import form_of

RECENT_MONTHS = 6
LONGEST_WAIT = timedelta(minutes=5)


@require_safe
@members_only
def billing(request: HttpRequest, member: Member) -> HttpResponse:
    """GET /billing: the wallet of the chosen mode; the filters of its ledger are the address."""
    return _page(request, member)


@require_safe
@members_only
def balance(request: HttpRequest, member: Member) -> HttpResponse:
    """GET /billing/balance: the figures alone, which ask for themselves again while a payment may come any second."""
    return render(request, "billing/_balance.html", _balance(request, member))


@form_of("billing")
@members_only
def redeem_code(request: HttpRequest, member: Member) -> HttpResponse:
    """POST /billing/redeem"""
    require(member, "money")
    form = RedeemForm(request.POST, label_suffix="")
    if form.is_valid():
        try:
            limits.count_page(member.account.pk, REDEMPTIONS)
            limits.count_by_address(request, REDEMPTIONS_PER_ADDRESS)
            entry = redeem.redeem(member.account, form.cleaned_data["code"])
        except redeem.Refused as refused:
            form.add_error("code", f"This {refused}.")
        except RateLimited as refused:
            form.add_error("code", f"{refused.message} Wait a minute.")
        else:
            messages.success(request, f"{money.display(entry.amount)} added to the live balance.")
            return redirect("billing")
    return _page(request, member, redeem_form=form)


@form_of("billing")
@members_only
def top_up(request: HttpRequest, member: Member) -> HttpResponse:
    """POST /billing/topup: leads to Stripe's page, where the order is paid."""
    require(member, "money")
    form = TopUpForm(request.POST, label_suffix="")
    if form.is_valid():
        back_to = f"{base_url(request)}{reverse('billing')}"
        try:
            limits.count_page(member.account.pk, TOPUPS)
            _, url = topup.order(member.account, form.cleaned_data["amount"], member.user.email, back_to)
        except (NotFound, RateLimited, ServiceUnavailable) as refused:
            form.add_error("amount", refused.message)
        else:
            return redirect(url)
    return _page(request, member, topup_form=form)


@require_POST
@members_only
def refill_wallet(request: HttpRequest, member: Member) -> HttpResponse:
    """POST /billing/refill: play money for the test wallet."""
    require(member, "money")
    if amount := refill(member.account, member.user):
        messages.success(request, f"{money.display(amount)} of play money added.")
    else:
        messages.info(request, "Nothing to refill: the test wallet is as full as it was at first.")
    return redirect("billing")


@form_of("billing")
@members_only
def set_warning(request: HttpRequest, member: Member) -> HttpResponse:
    """POST /billing/warning: below which live balance the owners get a mail."""
    require(member, "money")
    form = WarningForm(request.POST, label_suffix="")
    if not form.is_valid():
        return _page(request, member, warning_form=form)
    amount = form.cleaned_data["amount"]
    amend.amend(member.account, member.user, low_balance=amount)
    told = "No mail will be sent." if amount is None else f"The owners get a mail below {money.display(amount)}."
    messages.success(request, told)
    return redirect("billing")


def _page(request: HttpRequest, member: Member, **forms: Any) -> HttpResponse:
    """Where one of `forms` is at fault, it is shown as it was sent."""
    chosen = LedgerFilter(request.GET)
    chosen.is_valid()
    entries = passbook.entries_of(member.account.pk, member.mode)
    leaf: pagination.Leaf = pagination.turn(entries.filter(**chosen.lookups()), request.GET)
    months = _months(member)
    context = _balance(request, member) | {
        "chosen": chosen,
        "is_chosen": bool(chosen.lookups()),
        "page": leaf,
        "lines": passbook.lines(leaf.rows),
        "kinds": statement.WORDS,
        "takes_cards": topup.is_on(),
        "redeem_form": RedeemForm(label_suffix=""),
        "topup_form": TopUpForm(label_suffix=""),
        "warning_form": WarningForm(label_suffix="", initial={"amount": member.account.low_balance}),
        "curl": f'curl {base_url(request)}/v1/balance -H "Authorization: Bearer $EGGAPI_KEY"',
        "recent_months": months[:RECENT_MONTHS],
        "earlier_months": months[RECENT_MONTHS:],
    }
    return render(request, "billing/billing.html", context | forms, status=400 if forms else 200)


def _balance(request: HttpRequest, member: Member) -> dict[str, Any]:
    wallet = Wallet.objects.get(pk=Wallet.id_of(member.account.pk, member.mode))
    lately = mix.of(member.account.pk, member.mode, clock.now().date())
    told = request.GET.get("topup", "")
    newest = TopUp.objects.filter(account=member.account).order_by("-created_at").first() if told else None
    return {
        "wallet": wallet,
        "mix": lately,
        "images": lately.images_for(wallet.available),
        "told": told,
        "paid": newest.amount if newest and newest.state == TopUp.State.PAID else None,
        "is_waiting": told == "done" and newest is not None and _may_come_now(newest),
        "is_live": member.mode == Mode.LIVE,
        "is_full": wallet.available >= PLAY_MONEY,
    }


def _may_come_now(order: TopUp) -> bool:
    """A card pays within minutes; a bank transfer takes days, for which no page should wait."""
    return order.state == TopUp.State.OPEN and clock.now() - order.created_at < LONGEST_WAIT


def _months(member: Member) -> list[date]:
    """Those there are statements of, the newest first."""
    own = LedgerEntry.objects.filter(wallet=Wallet.id_of(member.account.pk, member.mode))
    first: datetime | None = own.order_by("pk").values_list("created_at", flat=True).first()
    if first is None:
        return []
    month, now = date(first.year, first.month, 1), clock.now()
    months = []
    while month <= now.date():
        months.append(month)
        month = month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
    return months[::-1]
