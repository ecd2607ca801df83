"""The pages of webhooks: who receives them, what came of each, and what can be done about it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST, require_safe

from accounts import flash, limits
from accounts.member import Member, members_only, require
from eggapi import clock, ids, markdown, pagination, renewal
from eggapi.addresses import pair_to_admit
from eggapi.envelope import base_url
from eggapi.errors import RateLimited
from eggapi.posting import form_of
from webhooks import origins, proof, receivers, resend, secrets
from webhooks.api.dashboard import TESTS
from webhooks.forms import DeliveryFilter, RecoverForm, RotateForm, SendTestForm
from webhooks.models import Delivery, DeliveryAttempt, Origin, Secret
from webhooks.verdict import WAITS

SOON = timedelta(minutes=1)
A_DAY = timedelta(days=1)
SHOWN = "webhook secrets"
NOT_ALLOWED = "address not allowed"  # what the courier writes down
CURL = """\
curl {base}/v1/generate -H "Authorization: Bearer $EGGAPI_KEY" -H "Content-Type: application/json" \\
  -d '{{"model": "nanobanana", "prompt": "a teapot on the moon", "webhook_url": "https://example.com/hooks/eggapi"}}'"""


@dataclass(frozen=True, slots=True)
class Line:
    """A delivery with how long its last attempt took."""

    delivery: Delivery
    milliseconds: int | None


@dataclass(frozen=True, slots=True)
class Kept:
    """A secret that is valid, as much of it as can be shown."""

    hint: str
    secret: Secret


@require_safe
@members_only
def webhooks(request: HttpRequest, member: Member) -> HttpResponse:
    """GET /webhooks: the filters are the address. To htmx it answers with the deliveries alone."""
    return _page(request, member)


@require_safe
@members_only
def delivery(request: HttpRequest, member: Member, event_id: str) -> HttpResponse:
    """GET /webhooks/{event id}: of either mode, what was sent, and every attempt. To htmx the attempts alone."""
    one = _own_delivery(member, event_id)
    attempts: list[DeliveryAttempt] = list(one.log.order_by("-n"))
    context = {
        "delivery": one,
        "attempts": attempts,
        "is_live": _is_under_way([one], clock.now()),
        "mark": renewal.mark(_looks_of(one), len(attempts)),
    }
    if request.htmx:  # type: ignore[attr-defined]  # set by its middleware
        return renewal.renewed(request, "webhooks/_attempts.html", context)
    body = bytes(one.event.payload).decode()
    context |= {
        "origin": Origin.objects.filter(account=member.account, host=one.host).first(),
        "body": body,
        "pretty": markdown.coloured(json.dumps(json.loads(body), indent=2, ensure_ascii=False), "json") if body else "",
        "proof": proof.of(one, attempts[0]) if attempts else None,
        "pair": one.host if one.last_error == NOT_ALLOWED else "",
        "is_embedded": settings.EGGAPI_EMBEDDED,
    }
    return render(request, "webhooks/delivery.html", context)


@require_POST
@members_only
def send_again(request: HttpRequest, member: Member, event_id: str) -> HttpResponse:
    """POST /webhooks/{event id}/resend: one attempt more, now."""
    require(member, "webhooks")
    one = _own_delivery(member, event_id)
    if resend.resend(one):
        messages.success(request, "One attempt more is due now.")
    elif one.event.emptied_at:
        messages.error(request, "What this webhook carried is not kept any more.")
    else:
        messages.info(request, "An attempt is on its way already.")
    return redirect("delivery", event_id)


@form_of("webhooks")
@members_only
def send_test(request: HttpRequest, member: Member) -> HttpResponse:
    """POST /webhooks/test: a test event to any address, in one attempt."""
    require(member, "webhooks")
    form = SendTestForm(request.POST, label_suffix="")
    if form.is_valid():
        try:
            limits.count_page(member.account.pk, TESTS)
            resend.send_test(member.account.pk, member.mode, form.cleaned_data["url"])
        except RateLimited as refused:
            form.add_error("url", f"{refused.message} Wait a minute.")
        else:
            messages.success(request, "A test event is on its way. What comes of it is in the list below.")
            return _to_list()
    return _page(request, member, test_form=form, pair=pair_to_admit(request.POST.get("url", "")))


@form_of("webhooks")
@members_only
def recover(request: HttpRequest, member: Member) -> HttpResponse:
    """POST /webhooks/recover: ten attempts more for all that failed since a time."""
    require(member, "webhooks")
    form = RecoverForm(request.POST, label_suffix="")
    if not form.is_valid():
        return _page(request, member, recover_form=form)
    _say_due(request, resend.recover(member.account.pk, member.mode, form.cleaned_data["since"]))
    return _to_list()


@require_POST
@members_only
def replay(request: HttpRequest, member: Member) -> HttpResponse:
    """POST /webhooks/replay: ten attempts more for all that never arrived."""
    require(member, "webhooks")
    _say_due(request, resend.replay(member.account.pk, member.mode))
    return _to_list()


@require_POST
@members_only
def enable(request: HttpRequest, member: Member) -> HttpResponse:
    """POST /webhooks/enable: webhooks go to this host again."""
    require(member, "webhooks")
    host = request.POST.get("host", "").replace("\0", "")
    if origins.enable(member.account, host, member.user):
        messages.success(request, f"{host} is enabled. Recover what it has missed.")
    else:
        messages.info(request, "No receiver of that host is disabled.")
    return redirect("webhooks")


@require_POST
@members_only
def reveal(request: HttpRequest, member: Member) -> HttpResponse:
    """POST /webhooks/secret/reveal: the page shows the valid secrets, this once."""
    require(member, "webhooks")
    flash.keep(request, SHOWN, " ".join(secrets.reveal(member.account, member.user)))
    return redirect("webhooks")


@form_of("webhooks")
@members_only
def rotate(request: HttpRequest, member: Member) -> HttpResponse:
    """POST /webhooks/secret/rotate: a new secret, which the page shows this once."""
    require(member, "webhooks")
    form = RotateForm(request.POST, label_suffix="")
    if not form.is_valid():
        return _page(request, member, rotate_form=form)
    flash.keep(request, SHOWN, secrets.rotate(member.account, form.cleaned_data["overlap"], member.user))
    messages.success(request, "A new secret signs from now on.")
    return redirect("webhooks")


def _page(request: HttpRequest, member: Member, pair: str = "", **forms: Any) -> HttpResponse:
    """Where one of `forms` is at fault, it is shown as it was sent. `pair` is a host that has to be admitted first."""
    now = clock.now()
    chosen = DeliveryFilter(request.GET)
    chosen.is_valid()
    conditions = chosen.conditions(member.account.pk, member.mode)
    found = _own(member).filter(*conditions, mode=member.mode).defer("event__payload")
    leaf = pagination.turn(found.order_by("-created_at", "-pk"), request.GET)
    lines = _lines(leaf.rows)
    context: dict[str, Any] = {
        "chosen": chosen,
        "is_chosen": bool(conditions),
        "page": leaf,
        "lines": lines,
        "is_live": _is_under_way(leaf.rows, now),
        "mark": renewal.mark([(_looks_of(line.delivery), line.milliseconds) for line in lines], leaf.has_next),
    }
    if request.htmx:  # type: ignore[attr-defined]  # set by its middleware
        return renewal.renewed(request, "webhooks/_deliveries.html", context)
    known = receivers.of(member.account.pk, member.mode, now)
    failing_since = min((r.origin.first_failure_at for r in known if r.origin), default=now - A_DAY)
    context |= {
        "receivers": known,
        "secrets": [Kept(s.plain[:10], s) for s in secrets.live({member.account.pk}, now)[member.account.pk]],
        "shown": flash.take(request, SHOWN).split(),
        "test_form": SendTestForm(label_suffix=""),
        "recover_form": RecoverForm(label_suffix="", initial={"since": failing_since}),
        "rotate_form": RotateForm(label_suffix=""),
        "pair": pair,
        "is_embedded": settings.EGGAPI_EMBEDDED,
        "verify": _verify(),
        "attempts": len(WAITS) + 1,
        "curl": CURL.format(base=base_url(request)),
    }
    return render(request, "webhooks/webhooks.html", context | forms, status=400 if forms else 200)


def _to_list() -> HttpResponse:
    return redirect(f"{reverse('webhooks')}#deliveries")


@cache
def _verify() -> SafeString:
    """How to check a signature, in every language."""
    text = Path(__file__).with_name("verify.md").read_text()
    return SafeString(markdown.render(markdown.parse(text)))


def _own(member: Member) -> QuerySet[Delivery]:
    own: QuerySet[Delivery] = Delivery.objects.filter(account=member.account)
    return own.select_related("event")


def _own_delivery(member: Member, event_id: str) -> Delivery:
    """Of either mode. Raises Http404, for anybody else's too."""
    found = _own(member).filter(event=event_id).first() if ids.EVENT_ID.fullmatch(event_id) else None
    if found is None:
        raise Http404("There is no such webhook.")
    return found


def _lines(rows: Sequence[Delivery]) -> list[Line]:
    attempts = DeliveryAttempt.objects.filter(delivery__in=[row.pk for row in rows]).order_by("n")
    took = dict(attempts.values_list("delivery", "milliseconds"))  # the last one stays
    return [Line(row, took.get(row.pk)) for row in rows]


def _looks_of(one: Delivery) -> tuple[object, ...]:
    """What of a delivery is shown and can change."""
    return one.pk, one.state, one.attempts, one.granted, one.last_status, one.last_error, one.next_run_at


def _is_under_way(rows: Sequence[Delivery], now: datetime) -> bool:
    """Whether anything will happen to one of these before long."""
    return any(row.next_run_at is not None and row.next_run_at <= now + SOON for row in rows)


def _say_due(request: HttpRequest, count: int) -> None:
    if count:
        messages.success(request, f"{count:,} {'delivery is' if count == 1 else 'deliveries are'} due again.")
    else:
        messages.info(request, "There was nothing to send again.")
