"""The public first page: what this is, in five seconds."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_safe

from eggapi.envelope import base_url
from generation import catalog, snippets

PICTURE = {
    "model": "nanobanana",
    "prompt": "A hot air balloon over mountains at sunrise",
    "aspect_ratio": "16:9",
    "seed": 11,
}
CACHED_SECONDS = 60


@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    """GET /"""
    shown = {
        "curl": snippets.curl(PICTURE, base_url(request)),
        "prompt": PICTURE["prompt"],
        "models": catalog.current().models.values(),
    }
    response = render(request, "generation/landing.html", shown)
    if not request.user.is_authenticated:
        patch_cache_control(response, public=True, max_age=CACHED_SECONDS)
    return response
