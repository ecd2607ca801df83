"""/status: how the service does, for everybody, as a page, as JSON and as a feed. No provider is named."""

from datetime import timedelta

from django.db.models import Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.feedgenerator import Rss201rev2Feed
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from eggapi import clock
from eggapi.envelope import base_url
from eggapi.models import Incident
from generation import condition

KEPT = timedelta(days=90)
SUMMARIES = {
    condition.UP: "Everything works",
    condition.DEGRADED: "Some things are slower or fail more often than they should",
    condition.DOWN: "There is an outage",
}


def incidents() -> list[Incident]:
    """The open ones first, then those of the last 90 days."""
    told = Q(ended_at=None) | Q(started_at__gt=clock.now() - KEPT)
    rows = Incident.objects.filter(told).order_by("-started_at")
    return sorted(rows, key=lambda incident: incident.ended_at is not None)


@require_safe
@cache_control(public=True, max_age=15)
def status(request: HttpRequest) -> HttpResponse:
    """GET /status"""
    parts, found = condition.parts(), incidents()
    state = condition.worst([part.state for part in parts])
    context = {
        "parts": parts,
        "open": [incident for incident in found if incident.ended_at is None],
        "past": [incident for incident in found if incident.ended_at is not None],
        "state": state,
        "summary": SUMMARIES[state],
        "days": condition.DAYS,
    }
    return render(request, "generation/status.html", context)


@require_safe
@cache_control(public=True, max_age=15)
def status_json(request: HttpRequest) -> HttpResponse:
    """GET /status.json: {"state", "parts": [{"name", "state", "uptime"}], "incidents": [...]}; times in UTC."""
    parts = condition.parts()
    return JsonResponse(
        {
            "state": condition.worst([part.state for part in parts]),
            "parts": [{"name": part.name, "state": part.state, "uptime": part.uptime} for part in parts],
            "incidents": [
                {
                    "title": incident.title,
                    "text": incident.text,
                    "impact": incident.impact,
                    "part": incident.part,
                    "started_at": clock.iso(incident.started_at),
                    "ended_at": clock.iso(incident.ended_at) if incident.ended_at else None,
                }
                for incident in incidents()
            ],
        }
    )


@require_safe
@cache_control(public=True, max_age=60)
def status_rss(request: HttpRequest) -> HttpResponse:
    """GET /status.rss: the incidents."""
    page = f"{base_url(request)}/status"
    feed = Rss201rev2Feed("EggAPI status", page, "Incidents of the last 90 days")
    for incident in incidents():
        link = f"{page}#incident-{incident.pk}"
        feed.add_item(incident.title, link, incident.text, pubdate=incident.started_at, unique_id=link)
    return HttpResponse(feed.writeString("utf-8"), content_type="application/rss+xml; charset=utf-8")
