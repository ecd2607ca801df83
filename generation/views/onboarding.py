"""The first steps of a new account, on the first page of the dashboard."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounts import firstkey
from accounts.member import Member, members_only, require
from eggapi.envelope import base_url
from generation import catalog, onboarding, snippets, storage
from generation.onboarding import Progress

DISMISSED = "onboarding_dismissed"
PROMPT = "A hot air balloon over mountains at sunrise"


def shown(request: HttpRequest, member: Member) -> dict[str, Any] | None:
    """What the checklist says; None where there is none to show."""
    if request.session.get(DISMISSED):
        return None
    progress = onboarding.progress(member)
    if progress is None or progress.is_done:
        return None
    key = firstkey.shown(request.session, member.account)
    body = {"model": next(iter(catalog.current().models), "nanobanana"), "prompt": PROMPT, "aspect_ratio": "16:9"}
    return {
        "progress": progress,
        "key": key,
        "variable": snippets.VARIABLE,
        "languages": snippets.languages(body, base_url(request), key),
        "pictures": _addresses(request, progress),
    }


@require_GET
@members_only
def arrival(request: HttpRequest, member: Member) -> HttpResponse:
    """GET /home/arrival?seen=MARK: the steps that wait for the first request; 204 while nothing is new."""
    progress = onboarding.progress(member)
    if progress is None or progress.mark == request.GET.get("seen"):
        return HttpResponse(status=204)
    first = {"progress": progress, "pictures": _addresses(request, progress)}
    return render(request, "generation/_arrival.html", {"first": first})


@require_POST
@members_only
def make_key(request: HttpRequest, member: Member) -> HttpResponse:
    """POST /home/key: a test key, filled into the snippets."""
    require(member, "keys")
    firstkey.make(request.session, member.account, member.user)
    return redirect("home")


@require_POST
@members_only
def put_key_away(request: HttpRequest, member: Member) -> HttpResponse:
    """POST /home/key/saved: it was saved, and is not shown again."""
    firstkey.put_away(request.session)
    return redirect("home")


@require_POST
@members_only
def dismiss(request: HttpRequest, member: Member) -> HttpResponse:
    """POST /home/dismiss: no more first steps in this session."""
    firstkey.put_away(request.session)
    request.session[DISMISSED] = True
    return redirect("home")


def _addresses(request: HttpRequest, progress: Progress) -> list[str]:
    if progress.completed is None or progress.completed.expires_at is None:
        return []
    until, base = progress.completed.expires_at, base_url(request)
    return [storage.url_of(picture.path, until, base) for picture in progress.pictures]
