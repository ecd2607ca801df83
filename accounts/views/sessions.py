"""Where a person is signed in."""

from typing import cast

from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from accounts.models import User


@require_POST
@login_required
def end(request: HttpRequest, session_id: int) -> HttpResponse:
    """POST /accounts/sessions/{id}/end: signs out there."""
    session = get_object_or_404(UserSession, pk=session_id, user=cast(User, request.user))
    if session.session_key == request.session.session_key:
        logout(request)
        return redirect("account_login")
    session.end()
    messages.success(request, "Signed out there.")
    return redirect("usersessions_list")
