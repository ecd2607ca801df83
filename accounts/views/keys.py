"""What is done with keys by a button. Each needs a role that may, and leads to the page that shows what came of it."""

from collections.abc import Callable

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from accounts import flash, keyring
from accounts.fields import OVERLAPS
from accounts.member import Member, members_only, require
from accounts.models import ApiKey, User
from eggapi.errors import BadRequest

REVOKE_ALL = "revoke all"


def own_key(member: Member, key_id: int) -> ApiKey:
    """One of the account's, of either mode. Raises Http404."""
    key: ApiKey | None = ApiKey.objects.filter(pk=key_id, account=member.account).select_related("account").first()
    if key is None:
        raise Http404("There is no such key.")
    return key


@require_POST
@members_only
def roll(request: HttpRequest, member: Member, key_id: int) -> HttpResponse:
    """POST /keys/{id}/roll: a new key, shown once; the old one works for `overlap` more."""
    require(member, "keys")
    key, overlap = own_key(member, key_id), OVERLAPS.get(request.POST.get("overlap", ""))
    if overlap is None:
        messages.error(request, "Choose when the old key is to stop working.")
        return redirect("key", key_id)
    try:
        new, text = keyring.roll(key, overlap, member.user)
    except BadRequest as refused:
        messages.error(request, refused.message)
        return redirect("key", key_id)
    flash.keep(request, f"key {new.pk}", text)
    return redirect("key_made", new.pk)


@require_POST
@members_only
def disable(request: HttpRequest, member: Member, key_id: int) -> HttpResponse:
    """POST /keys/{id}/disable"""
    return _done(request, member, key_id, keyring.disable, "is disabled. Nothing sent with it is accepted.")


@require_POST
@members_only
def enable(request: HttpRequest, member: Member, key_id: int) -> HttpResponse:
    """POST /keys/{id}/enable"""
    return _done(request, member, key_id, keyring.enable, "works again.")


@require_POST
@members_only
def revoke(request: HttpRequest, member: Member, key_id: int) -> HttpResponse:
    """POST /keys/{id}/revoke: for good, once its name is typed."""
    require(member, "keys")
    key = own_key(member, key_id)
    if request.POST.get("name", "").strip() != key.name:
        messages.error(request, "Nothing was revoked: type the name of the key exactly.")
        return redirect("key", key_id)
    return _done(request, member, key_id, keyring.revoke, "is revoked.")


def _done(
    request: HttpRequest, member: Member, key_id: int, deed: Callable[[ApiKey, User], bool], outcome: str
) -> HttpResponse:
    require(member, "keys")
    key = own_key(member, key_id)
    if deed(key, member.user):
        messages.success(request, f"{key.name} {outcome}")
    return redirect("key", key_id)


@require_POST
@members_only
def revoke_all(request: HttpRequest, member: Member) -> HttpResponse:
    """POST /keys/revoke-all: every key of the account, of both modes, once "revoke all" is typed."""
    require(member, "keys")
    if request.POST.get("sure", "").strip().lower() != REVOKE_ALL:
        messages.error(request, f"Nothing was revoked: type “{REVOKE_ALL}”.")
        return redirect("keys")
    number = keyring.revoke_all(member.account, member.user)
    messages.success(request, f"{number} {'key is' if number == 1 else 'keys are'} revoked, in test and live mode.")
    return redirect("keys")
