"""The backlog of webhooks: what waits, whose receivers fail most, and sending again what never arrived."""

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts import auditlog
from accounts.admin import actor_of
from accounts.models import Account, Mode
from eggapi import clock
from webhooks import resend
from webhooks.models import Delivery, Origin

MOST_RECEIVERS = 20
MAY_RESEND = "webhooks.change_delivery"


class _Moment(UnfoldAdminTextInputWidget):
    input_type = "datetime-local"


class RecoverForm(forms.Form):
    """Times are UTC."""

    account = forms.CharField(
        label="Account",
        max_length=254,
        widget=UnfoldAdminTextInputWidget,
        help_text="Its number, or a member's address",
    )
    mode = forms.ChoiceField(choices=Mode.choices, widget=UnfoldAdminSelectWidget)
    since = forms.DateTimeField(label="From (UTC)", widget=_Moment)
    until = forms.DateTimeField(label="To (UTC)", required=False, widget=_Moment, help_text="Empty: until now")

    def clean_account(self) -> Account:
        text = self.cleaned_data["account"].strip()
        one = {"pk": int(text)} if text.isdecimal() and len(text) < 18 else {"members__email": text.lower()}
        account = Account.objects.filter(**one).order_by("pk").first()
        if account is None:
            raise forms.ValidationError("There is no such account.")
        return account

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and until <= since:
            self.add_error("until", "That is not after the beginning.")
        return cleaned


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("webhooks.view_delivery", raise_exception=True)
def page(request: HttpRequest) -> HttpResponse:
    """/admin/webhooks/backlog/; a POST sends an account's missed events of a time again."""
    form = RecoverForm(request.POST or None)
    if request.method == "POST" and not request.user.has_perm(MAY_RESEND):
        raise PermissionDenied
    if request.method == "POST" and form.is_valid():
        _recover(request, **form.cleaned_data)
        return redirect("admin:webhook_backlog")
    context = {
        "title": "Webhook backlog",
        "now": _numbers(clock.now()),
        "origins": Origin.objects.select_related("account").order_by("-failures", "pk")[:MOST_RECEIVERS],
        "form": form,
        "may_resend": request.user.has_perm(MAY_RESEND),
    }
    return render(request, "operating/backlog.html", admin.site.each_context(request) | context)


def _numbers(now: datetime) -> dict[str, int | float]:
    """Of all accounts; `oldest` is in seconds."""
    due = Delivery.objects.due(now)
    first = due.order_by("next_run_at").values_list("next_run_at", flat=True).first()
    return {
        "due": due.count(),
        "oldest": (now - first).total_seconds() if first else 0.0,
        "in_flight": Delivery.objects.in_flight(now).count(),
        "retrying": Delivery.objects.filter(next_run_at__gt=now).count(),
        "disabled": Origin.objects.filter(disabled_at__isnull=False).count(),
    }


@transaction.atomic
def _recover(request: HttpRequest, account: Account, mode: str, since: datetime, until: datetime | None) -> None:
    queued = resend.recover(account.pk, mode, since, until)
    since_text, until_text = clock.iso(since), clock.iso(until or datetime.now(UTC))
    auditlog.note(
        "webhook.recover", str(account), actor_of(request), account,
        mode=mode, since=since_text, until=until_text, deliveries=queued,
    )  # fmt: skip
    messages.success(request, f"Sent again for {account}: {queued}")
