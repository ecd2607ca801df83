"""Settings: the account's names, its privacy, all of it to take away, and its end."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounts import amend
from accounts.forms import NamesForm, PrivacyForm
from accounts.member import Member, members_only, require
from accounts.models import Account, Export
from eggapi import clock
from eggapi.envelope import base_url
from eggapi.posting import form_of
from generation import closure, export, storage


@require_GET
@members_only
def page(request: HttpRequest, member: Member) -> HttpResponse:
    """GET /settings"""
    return _shown(request, member, _names_form(member), _privacy_form(member))


@form_of("settings")
@members_only
def names(request: HttpRequest, member: Member) -> HttpResponse:
    """POST /settings/names: what the account is called, here and on statements."""
    require(member, "money")
    form = _names_form(member, request)
    if not form.is_valid():
        return _shown(request, member, form, _privacy_form(member))
    return _saved(request, amend.amend(member.account, member.user, **form.cleaned_data))


@form_of("settings")
@members_only
def privacy(request: HttpRequest, member: Member) -> HttpResponse:
    """POST /settings/privacy: for how long things are kept, of tasks made from now on."""
    require(member, "account")
    form = _privacy_form(member, request)
    if not form.is_valid():
        return _shown(request, member, _names_form(member), form)
    return _saved(request, amend.amend(member.account, member.user, **form.cleaned_data))


@require_POST
@members_only
def take_away(request: HttpRequest, member: Member) -> HttpResponse:
    """POST /settings/export: has a ZIP of everything made."""
    require(member, "account")
    export.ask(member.account, member.user)
    messages.success(request, "Your export is being made. Come back in a minute.")
    return redirect("settings")


@require_POST
@members_only
def close(request: HttpRequest, member: Member) -> HttpResponse:
    """POST /settings/delete: closes the account, once its name is typed; a week later it is emptied."""
    require(member, "account")
    if request.POST.get("name", "").strip() != member.account.name.strip():
        messages.error(request, "Nothing was deleted: type the name of the account exactly.")
        return redirect("settings")
    closure.ask(member.account, member.user)
    messages.warning(request, "The account is closed: no key of it works. You can take it back for seven days.")
    return redirect("settings")


@require_POST
@members_only
def reopen(request: HttpRequest, member: Member) -> HttpResponse:
    """POST /settings/keep: takes the closing back, within the seven days."""
    require(member, "account")
    if closure.take_back(member.account, member.user).delete_at is None:
        messages.success(request, "The account stays. Its keys work again.")
    else:
        messages.error(request, "The seven days are over.")
    return redirect("settings")


def _saved(request: HttpRequest, changed: list[str]) -> HttpResponse:
    if changed:
        messages.success(request, "Saved.")
    return redirect("settings")


def _names_form(member: Member, request: HttpRequest | None = None) -> NamesForm:
    account = member.account
    initial = {"name": account.name, "billing_name": account.billing_name, "vat_number": account.vat_number}
    return NamesForm(request.POST if request else None, initial=initial)


def _privacy_form(member: Member, request: HttpRequest | None = None) -> PrivacyForm:
    account = member.account
    initial = {"retention_days": account.retention_days, "zero_retention": account.zero_retention}
    return PrivacyForm(request.POST if request else None, initial=initial, most=_longest(account))


def _longest(account: Account) -> int:
    """For how many days pictures can be kept: the operator may have given an account more than others have."""
    return max(settings.EGGAPI_RETENTION_DAYS, account.retention_days or 0)


def _shown(request: HttpRequest, member: Member, names: NamesForm, privacy: PrivacyForm) -> HttpResponse:
    made = Export.objects.filter(account=member.account).first() if member.allowed["account"] else None
    url = ""
    if made and made.made_at and made.expires_at and made.expires_at > clock.now():
        url = storage.signed_url_of(made.path, made.expires_at, base_url(request))
    context = {
        "names": names,
        "privacy": privacy,
        "export": made,
        "export_url": url,
    }
    return render(request, "generation/settings.html", context)
