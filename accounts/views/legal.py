"""What people agree to, to read and to accept."""

from typing import cast

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from accounts import legal, preferences
from accounts.models import User


@require_safe
def page(request: HttpRequest, name: str) -> HttpResponse:
    """GET /legal/{name}"""
    if name not in legal.NAMES:
        raise Http404
    shown = {"document": legal.document(name), "documents": [legal.document(each) for each in legal.NAMES]}
    return render(request, "accounts/legal.html", shown)


@require_POST
@login_required
def accept(request: HttpRequest) -> HttpResponse:
    """POST /legal/accept: the terms as they are now."""
    legal.accept(cast(User, request.user))
    return preferences.back(request)
