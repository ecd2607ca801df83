"""Pages for people: the way in, and the first page behind it."""

from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts import links


@require_GET  # a HEAD, as mail programs send to look at a link, must not use it up
@never_cache
def start(request: HttpRequest, token: str) -> HttpResponse:
    """GET /start/{token}: signs in once; 410 for a link that was used or is too old."""
    user = links.redeem(token)
    if user is None:
        return render(request, "accounts/link_gone.html", status=410)
    login(request, user)
    return redirect(settings.LOGIN_REDIRECT_URL)


@login_required
@never_cache
def home(request: HttpRequest) -> HttpResponse:
    return render(request, "accounts/home.html")
