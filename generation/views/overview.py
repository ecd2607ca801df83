"""The first page of the dashboard."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.member import Member, members_only
from eggapi import charts, clock, money
from generation import summary, thumbnail
from generation.models import Task
from generation.views import onboarding

LATEST = 5


@dataclass(frozen=True, slots=True)
class Line:
    """A task, and the address of its first picture while there is one to see."""

    task: Task
    picture: str


@require_safe
@members_only
def overview(request: HttpRequest, member: Member) -> HttpResponse:
    """GET /home: what to do first until that is done, and what the account has done lately."""
    first = onboarding.shown(request, member)
    lines = _latest(member)
    context: dict[str, Any] = {"first": first, "lines": lines}
    if lines:
        context |= _figures(member)
    return render(request, "generation/overview.html", context)


def _figures(member: Member) -> dict[str, Any]:
    now = clock.now()
    spent = summary.spending(member.account.pk, member.mode, now.date())
    pace = summary.pace(member.account.pk, member.mode, now)
    labels = [f"{day.day} {day:%b}" for day in spent.days]
    chart = charts.columns("Spend per day by model, in UTC days", labels, spent.by_model, money.display)
    return {
        "spent": spent,
        "pace": pace,
        "success": "–" if pace.success is None else f"{pace.success:.1f} %".replace(".0 %", " %"),
        "median": _seconds(pace.median),
        "slow": _seconds(pace.slow),
        "chart": chart if spent.by_model else "",
    }


def _latest(member: Member) -> list[Line]:
    own = Task.objects.filter(account=member.account, mode=member.mode)
    tasks = list(own.order_by("-created_at", "-id")[:LATEST])
    pictures = thumbnail.addresses(tasks, clock.now())
    return [Line(task, pictures[task.pk]) for task in tasks]


def _seconds(took: timedelta | None) -> str:
    return "–" if took is None else f"{took.total_seconds():.1f} s"
