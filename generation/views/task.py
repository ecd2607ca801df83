"""One task: what became of it, and what can be done about it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST
from django_htmx.http import reselect, reswap, retarget

from accounts.member import Member, members_only, require
from eggapi import clock, ids
from eggapi.envelope import base_url
from eggapi.errors import ApiError
from generation import again, cancel, privacy, receipt, snippets, storage, waterfall
from generation.models import UNFINISHED, Output, Status, Task
from generation.serializers import TASK_COLUMNS, receipt_body, task_body
from generation.waterfall import Story


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a task failed, what to do about it, and where that is explained."""

    reason: str
    advice: str
    docs: str


CAUSES = {
    "canceled": Cause("It was canceled.", "Run it again if you want it after all.", "/docs/async-tasks#canceling"),
    "deadline": Cause(
        "It was not done by its deadline.",
        "Run it again, or with a larger deadline_seconds, which gives fallback more time.",
        "/docs/async-tasks#deadlines",
    ),
    "refused": Cause(
        "The safety check refused the prompt or its pictures.",
        "Change them: the same request will be refused again.",
        "/docs/async-tasks#what-eggapi-tries",
    ),
    "invalid": Cause(
        "Something in the request cannot be used.",
        "Correct it: the same request will fail again.",
        "/docs/errors#validation_error",
    ),
    "no_image": Cause(
        "Every route was tried, and none returned a usable image.",
        "Run it again; another wording often helps.",
        "/docs/errors#upstream_error",
    ),
    "upstream_unavailable": Cause(
        "Every route was tried, and none could serve it.",
        "Run it again in a while; the status page says what is going on.",
        "/docs/errors#upstream_error",
    ),
    "internal_error": Cause(
        "Something went wrong on our side.",
        "Run it again. If it stays, report the id of the task.",
        "/docs/errors#internal_error",
    ),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture with where it can be seen and fetched; empty once it is gone."""

    output: Output
    url: str

    @property
    def kilobytes(self) -> int:
        return -(-self.output.bytes // 1000)


@members_only
def task(request: HttpRequest, member: Member, task_id: str) -> HttpResponse:
    """GET /tasks/{id}: a task of the account, in either mode. 404 for anybody else's.

    To htmx, which says by `seen` which status it shows, it answers with what has moved, and with everything
    once the status is another.
    """
    found = own_task(member, task_id)
    story, now = waterfall.read(found), clock.now()
    is_moving = waterfall.is_moving(story, now)
    seen = request.GET.get("seen")
    context = _context(request, story, now) | {
        "bars": waterfall.bars(story, now),
        "is_moving": is_moving,
        "has_changed": seen is not None and seen != found.status,
    }
    if not request.htmx:  # type: ignore[attr-defined]  # set by its middleware
        return render(request, "generation/task.html", context)
    response = render(request, "generation/_task.html", context)
    if found.status == seen and is_moving:
        return response
    return reselect(reswap(retarget(response, "#task"), "outerHTML"), "#task")


def own_task(member: Member, task_id: str) -> Task:
    """A task of the account, in either mode. Raises Http404."""
    looks_right = ids.TASK_ID.fullmatch(task_id)  # a database would choke on NUL
    own = Task.objects.select_related("key", "price").filter(account=member.account)
    found: Task | None = own.filter(pk=task_id).first() if looks_right else None
    if found is None:
        raise Http404("There is no such task.")
    return found


def _context(request: HttpRequest, story: Story, now: datetime) -> dict[str, Any]:
    task, here = story.task, base_url(request)
    body = again.request_of(task)
    kept = [output.path for output in story.outputs if output.path]
    row = {name: getattr(task, name) for name in TASK_COLUMNS}
    api = f'{here}/v1/tasks/{task.pk}" -H "Authorization: Bearer $EGGAPI_KEY"'
    return {
        "task": task,
        "story": story,
        "is_unfinished": task.status in UNFINISHED,
        "cause": CAUSES.get(task.ended) if task.status == Status.FAILED else None,
        "pictures": [Shown(each, storage.url_here(each.path, task.expires_at, now)) for each in story.outputs],
        "has_pictures": bool(kept),
        "request_json": "" if task.wiped_at else snippets.as_json(body),
        "curl": "" if task.wiped_at else snippets.curl(body, here),
        "response_json": snippets.as_json({"data": task_body(row, kept, here), "error": None}),
        "event_json": _event_json(story),
        "receipt": receipt_body(receipt.of(task, story.hold, story.attempts)),
        "once": ids.random_text(16),
        "same_by_api": f'curl "{api}\ncurl "{api.replace(task.pk, f"{task.pk}/receipt")}',
    }


def _event_json(story: Story) -> str:
    """What the receiver is sent; empty where there is none, or it is forgotten."""
    if story.delivery is None or story.delivery.event.emptied_at:
        return ""
    return snippets.as_json(json.loads(bytes(story.delivery.event.payload)))


# -- what can be done about it ---------------------------------------------------------------------

Deed = Callable[[HttpRequest, Member, Task], HttpResponse]


def _deed(do: Deed) -> Callable[..., HttpResponseBase]:
    """A POST that only those may send who may generate. What /v1 would refuse is told on the task's page."""

    @require_POST
    @members_only
    def view(request: HttpRequest, member: Member, task_id: str) -> HttpResponse:
        require(member, "generate")
        found = own_task(member, task_id)
        try:
            return do(request, member, found)
        except ApiError as error:
            messages.error(request, str(error))
            return redirect("task", found.pk)

    return view


@_deed
def run_again(request: HttpRequest, member: Member, task: Task) -> HttpResponse:
    """POST /tasks/{id}/again: a new task with the same parameters; `once` makes one of a form that is sent twice."""
    once = request.POST.get("once", "")[:40] or ids.random_text(16)
    made = again.run(member.caller, task, f"again-{once}")
    messages.success(request, "Running again, as a new task.")
    return redirect("task", made.pk)


@_deed
def stop(request: HttpRequest, member: Member, task: Task) -> HttpResponse:
    """POST /tasks/{id}/cancel"""
    if task.status in UNFINISHED and cancel.cancel(task):
        messages.success(request, "Canceled. Nothing was charged.")
    else:
        messages.info(request, "This task had ended already.")
    return redirect("task", task.pk)


@_deed
def forget(request: HttpRequest, member: Member, task: Task) -> HttpResponse:
    """POST /tasks/{id}/forget: the prompt and the pictures go, what it cost stays."""
    privacy.delete(task)
    messages.success(request, "The prompt, the pictures and what webhooks told of them are deleted.")
    return redirect("task", task.pk)
