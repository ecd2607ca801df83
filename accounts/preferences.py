"""What a person has chosen for this session, account and mode, and what shows them their own in examples."""

import re

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.member import Member
from accounts.models import ApiKey, Membership, Mode, User


def choose_mode(request: HttpRequest, mode: str) -> bool:
    if mode not in Mode.values:
        return False
    request.session["mode"] = mode
    return True


def choose_account(request: HttpRequest, member: Member, account_id: str) -> bool:
    """False for an account that is not the person's."""
    mine = Membership.objects.filter(user=member.user)
    chosen = mine.filter(account_id=account_id).first() if re.fullmatch("[0-9]{1,18}", account_id) else None
    if chosen is None:
        return False
    request.session["account"] = chosen.account_id
    return True


def key_shown(request: HttpRequest) -> str:
    """What a test key of the person looks like, for examples; empty without one, or while nobody can tell."""
    try:
        if not isinstance(request.user, User):
            return ""
        keys = ApiKey.objects.usable().filter(account__members=request.user, mode=Mode.TEST)
        return keys.order_by("-pk").values_list("display", flat=True).first() or ""
    except DatabaseError:
        return ""


def back(request: HttpRequest, otherwise: str = "/home") -> HttpResponse:
    """To the page of ours that the form named as `next`."""
    target = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(target, allowed_hosts=None) and target.startswith("/")
    return redirect(target if is_ours else otherwise)
