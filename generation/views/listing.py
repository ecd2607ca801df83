"""The list of an account's tasks: as a page, as rows that renew themselves, and as CSV."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.safestring import SafeString

from accounts.member import Member, members_only
from eggapi import charts, clock, ids, money, pagination, renewal, sheet
from eggapi.envelope import base_url
from generation import selection, snippets, thumbnail
from generation.models import UNFINISHED, ImageModel, Status, Task
from generation.selection import NO_KEY, Selection
from generation.views.keys import names_of

MOST_LINES = 10_000
PIECE = 1000
CHART_HEIGHT = 96
COLUMNS = (
    *("id", "status", "model", "type", "prompt", "images", "cost_usd", "duration_ms"),
    *("key", "created_at", "completed_at", "error"),
)
EXAMPLE = {"model": "nanobanana", "prompt": "a teapot on the moon"}


@dataclass(frozen=True, slots=True)
class Line:
    """A task as the list shows it. `picture` is the address of its first image, while there is one to see."""

    task: Task
    key_name: str
    picture: str

    @property
    def is_unfinished(self) -> bool:
        return self.task.status in UNFINISHED


@members_only
def tasks(request: HttpRequest, member: Member) -> HttpResponse:
    """GET /tasks: the filters are the address. To htmx it answers with the rows alone; an id leads to its task."""
    keys = names_of(member)
    models = list(ImageModel.objects.order_by("pk").values_list("name", flat=True))
    chosen = selection.read(request.GET, models, keys.keys())
    if ids.TASK_ID.fullmatch(chosen.start_of_id) and _is_theirs(member, chosen.start_of_id):
        return redirect("task", chosen.start_of_id)
    found = chosen.of(member.caller)
    leaf = pagination.turn(found.defer("negative_prompt", "image_urls", "metadata"), request.GET)
    lines = _lines(leaf.rows, keys)
    context = {
        "listed": lines,
        "page": leaf,
        "chosen": chosen,
        "is_live": any(line.is_unfinished for line in lines),
        "mark": renewal.mark([(line.task.pk, line.task.status, line.task.wiped_at) for line in lines], leaf.has_next),
    }
    if request.htmx:  # type: ignore[attr-defined]  # set by its middleware
        return renewal.renewed(request, "generation/_task_rows.html", context)
    has_any = bool(lines) or leaf.has_previous or not chosen.is_everything
    context |= {
        "models": models,
        "keys": keys,
        "statuses": Status.values,
        "types": Task.Type.choices,
        "chart": _chart(chosen, member) if has_any and chosen.is_countable else "",
        "has_any": has_any,
        "retention_days": member.account.retention_days or settings.EGGAPI_RETENTION_DAYS,
        "curl": snippets.curl(EXAMPLE, base_url(request)),
        "same_by_api": f'curl "{base_url(request)}/v1/tasks?per_page=25" -H "Authorization: Bearer $EGGAPI_KEY"',
    }
    return render(request, "generation/tasks.html", context)


@members_only
def tasks_csv(request: HttpRequest, member: Member) -> HttpResponseBase:
    """GET /tasks.csv: the same tasks as the list, the newest MOST_LINES of them."""
    keys = names_of(member)
    models = list(ImageModel.objects.values_list("name", flat=True))
    found = selection.read(request.GET, models, keys.keys()).of(member.caller).filter(created_at__lte=clock.now())
    headers = {"Content-Disposition": f'attachment; filename="eggapi-tasks-{member.mode}.csv"'}
    return StreamingHttpResponse(_as_csv(found, keys), content_type="text/csv; charset=utf-8", headers=headers)


def _is_theirs(member: Member, task_id: str) -> bool:
    return Task.objects.filter(pk=task_id, account=member.account).exists()


def _lines(tasks: Sequence[Task], keys: Mapping[int, str]) -> list[Line]:
    pictures = thumbnail.addresses(tasks, clock.now())
    return [Line(task, _key_name(task, keys), pictures[task.pk]) for task in tasks]


def _key_name(task: Task, keys: Mapping[int, str]) -> str:
    return keys.get(task.key_id or NO_KEY, "")


def _chart(chosen: Selection, member: Member) -> SafeString:
    days = chosen.days(clock.now().date())
    counted = selection.count_days(chosen, member.caller, days)
    series = {
        "completed": [counted[day, Status.COMPLETED] for day in days],
        "failed": [counted[day, Status.FAILED] for day in days],
        "under way": [sum(counted[day, status] for status in UNFINISHED) for day in days],
    }
    labels = [f"{day:%b} {day.day}" for day in days]
    return charts.columns("Tasks per day (UTC)", labels, series, show=lambda number: f"{number:,}", height=CHART_HEIGHT)


# -- CSV -------------------------------------------------------------------------------------------


def _as_csv(found: QuerySet[Task], keys: Mapping[int, str]) -> Iterator[str]:
    """In short queries, so that no connection is held while somebody downloads slowly."""
    yield sheet.line(COLUMNS)
    for start in range(0, MOST_LINES, PIECE):
        piece = list(found[start : start + PIECE])
        yield from (sheet.line(_cells(task, keys)) for task in piece)
        if len(piece) < PIECE:
            return


def _cells(task: Task, keys: Mapping[int, str]) -> list[Any]:
    images = task.cost // task.unit_price
    return [
        *(task.pk, task.status, task.model, task.type, task.prompt, images, money.bare(task.cost)),
        *(task.milliseconds, _key_name(task, keys), clock.iso(task.created_at)),
        *(clock.iso(task.completed_at) if task.completed_at else "", task.error),
    ]
