"""Pages for people: the way in, and what they choose for themselves."""

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts import links, preferences, visit
from accounts.member import Member, members_only
from eggapi import theme


@require_GET  # a HEAD, as mail programs send to look at a link, must not use it up
@never_cache
def start(request: HttpRequest, token: str) -> HttpResponse:
    """GET /start/{token}: signs in once; 410 for a link that was used or is too old."""
    user = links.redeem(token)
    if user is None:
        return render(request, "accounts/link_gone.html", status=410)
    login(request, user)
    UserSession.objects.create_from_request(request)  # for the list of sessions, as other ways in do
    return redirect(settings.LOGIN_REDIRECT_URL)


@require_POST
@members_only
def choose_mode(request: HttpRequest, member: Member) -> HttpResponse:
    """POST /mode: test or live, for this session."""
    if not preferences.choose_mode(request, request.POST.get("mode", "")):
        return HttpResponseBadRequest("mode must be test or live", content_type="text/plain")
    return preferences.back(request)


@require_POST
@members_only
def choose_account(request: HttpRequest, member: Member) -> HttpResponse:
    """POST /account: one of the person's accounts, for this session."""
    if not preferences.choose_account(request, member, request.POST.get("account", "")):
        return HttpResponseBadRequest("account must be one of yours", content_type="text/plain")
    return redirect(settings.LOGIN_REDIRECT_URL)


@require_POST
@members_only
def end_visit(request: HttpRequest, member: Member) -> HttpResponse:
    """POST /visit/end: back to the operator's own account, and to the admin's page of the one that was visited."""
    visit.end(request.session)
    if not member.is_visitor:
        return redirect(settings.LOGIN_REDIRECT_URL)
    return redirect("admin:accounts_account_change", member.account.pk)


@require_POST
def choose_theme(request: HttpRequest) -> HttpResponse:
    """POST /theme: light, dark or system, for this browser."""
    response = preferences.back(request, "/")
    theme.keep(response, request.POST.get("theme", ""))
    return response
