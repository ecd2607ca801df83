"""Accepting an invitation."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts import invitations
from accounts.models import Invitation, User


@never_cache
@require_http_methods(["GET", "POST"])
def join(request: HttpRequest, token: str) -> HttpResponse:
    """GET /join/{token}: what it is for, or the way to sign up; POST accepts it. 410 for one that is no good."""
    invitation = invitations.find(token)
    if invitation is None:
        return _gone(request)
    if not request.user.is_authenticated:
        return _let_in(request, invitation)
    user = request.user
    if user.email != invitation.email:
        return _gone(request, invitation)
    if request.method == "GET":
        return render(request, "accounts/invitation.html", {"invitation": invitation})
    if not invitations.accept(invitation, user):
        return _gone(request)
    if invitation.account:
        request.session["account"] = invitation.account.pk
        messages.success(request, f"You are in {invitation.account.name} now.")
    return redirect(settings.LOGIN_REDIRECT_URL)


def _let_in(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    """Who has signed up before signs in and comes back; everybody else signs up with the address invited."""
    if User.objects.filter(email=invitation.email).exists():
        return render(request, "accounts/invitation.html", {"invitation": invitation})
    request.session["invitation"] = invitation.pk
    return redirect("account_signup")


def _gone(request: HttpRequest, invitation: Invitation | None = None) -> HttpResponse:
    return render(request, "accounts/invitation_gone.html", {"invitation": invitation}, status=410)
