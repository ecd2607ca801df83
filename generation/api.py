"""/v1 for tasks and models."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import V1View
from accounts.authentication import BearerKey, SessionCaller
from accounts.caller import Caller
from accounts.limits import SUBMITS
from accounts.models import ApiKey
from billing.models import Wallet
from eggapi import ids, pagination, rows
from eggapi.envelope import base_url
from eggapi.errors import NotFound, ServiceUnavailable, ValidationFailed
from generation import cancel, catalog, openapi, privacy, receipt, stream, waiting
from generation.models import TERMINAL, UNFINISHED, Status, Task
from generation.quote import quote
from generation.serializers import TASK_COLUMNS, accepted_body, model_body, quote_body, receipt_body, task_bodies
from generation.stream import Stream
from generation.submit import submit
from generation.waiting import Row


class Generate(V1View):
    """POST /v1/generate: accepts a task and answers 202 with it; with `Prefer: wait=N` 200 once it has ended.

    With `dry_run` it answers 200 with the price and the routes, and makes nothing. Errors: 400
    VALIDATION_ERROR naming the field, 403 INSUFFICIENT_BALANCE, 409 IDEMPOTENCY_IN_FLIGHT, 422
    IDEMPOTENCY_MISMATCH, 503 SERVICE_UNAVAILABLE. Nothing is held after any of them.
    """

    authentication_classes = (BearerKey, SessionCaller)
    limit = SUBMITS
    scope = ApiKey.Scope.GENERATE
    needs = "generate"

    @openapi.generate
    def post(self, request: Request) -> Response:
        body: dict[str, Any] = request.data  # type: ignore[assignment]  # StrictJSONParser makes nothing else
        if body.get("dry_run"):
            return Response(quote_body(quote(self.caller, body)))
        task, replayed = submit(self.caller, body, request.headers.get("Idempotency-Key"))
        request._request.log_fields["task"] = task.id  # type: ignore[attr-defined]
        headers = {"Idempotent-Replayed": "true"} if replayed else {}
        if seconds := waiting.asked(request.headers.get("Prefer", "")):
            return self._waited(request, task, seconds, headers)
        return Response(accepted_body(task), status=202, headers=headers)

    def _waited(self, request: Request, task: Task, seconds: int, headers: dict[str, str]) -> Response:
        """A preference and no more: where too many are waiting already, the 202 comes at once."""
        if not waiting.seats.take():
            return Response(accepted_body(task), status=202, headers=headers)
        try:
            row = waiting.ended(task.id, lambda: _row(task.id), seconds)
        finally:
            waiting.seats.leave()
        headers |= {"Preference-Applied": f"wait={seconds}"}
        if row is None:
            return Response(accepted_body(task), status=202, headers=headers)
        return Response(task_bodies([row], base_url(request._request))[0], headers=headers)


class TaskView(V1View):
    """Of one of the caller's own tasks. 404 for anybody else's."""

    authentication_classes = (BearerKey, SessionCaller)
    scope = ApiKey.Scope.TASKS_READ
    needs = "generate"

    def own(self, task_id: str) -> Row:
        """Raises NotFound."""
        looks_right = ids.TASK_ID.fullmatch(task_id)  # a database would choke on NUL
        values = [task_id, self.caller.account_id, self.caller.mode]
        found = looks_right and rows.read(Task, TASK_COLUMNS, "id = %s AND account_id = %s AND mode = %s", values)
        if not found:
            raise NotFound("There is no such task.")
        return found[0]

    def described(self, row: Row) -> dict[str, Any]:
        return task_bodies([row], base_url(self.request._request))[0]


class TaskDetail(TaskView):
    """GET and DELETE /v1/tasks/{id}; the latter forgets what was sent and drawn, and answers 200 with what is left.

    Errors: 400 BAD_REQUEST while the task has not ended, 503 SERVICE_UNAVAILABLE while its pictures cannot be removed.
    """

    @property
    def scope(self) -> str:  # type: ignore[override]  # one address, two scopes
        return ApiKey.Scope.GENERATE if self.request.method == "DELETE" else ApiKey.Scope.TASKS_READ

    @openapi.task_detail
    def get(self, request: Request, task_id: str) -> Response:
        return Response(self.described(self.own(task_id)))

    @openapi.task_delete
    def delete(self, request: Request, task_id: str) -> Response:
        self.own(task_id)
        privacy.delete(Task.objects.get(pk=task_id))
        return Response(self.described(self.own(task_id)))


class TaskCancel(TaskView):
    """POST /v1/tasks/{id}/cancel: always 200 with the task as it now is, canceled or not."""

    scope = ApiKey.Scope.GENERATE

    @openapi.task_cancel
    def post(self, request: Request, task_id: str) -> Response:
        if self.own(task_id)["status"] in UNFINISHED:
            cancel.cancel(Task.objects.get(pk=task_id))
        return Response(self.described(self.own(task_id)))


class TaskReceipt(TaskView):
    """GET /v1/tasks/{id}/receipt: what became of the money, which routes were tried, and how long it all took."""

    @openapi.task_receipt
    def get(self, request: Request, task_id: str) -> Response:
        self.own(task_id)
        return Response(receipt_body(receipt.read(Task.objects.select_related("price").get(pk=task_id))))


class TaskEvents(TaskView):
    """GET /v1/tasks/{id}/events: the task at every change of its status, as server-sent events, until it has ended.

    The last event has the id of the task's webhook; who comes back with it as Last-Event-ID gets 204, which
    tells a browser not to come again. Errors: 503 SERVICE_UNAVAILABLE where too many are open.
    """

    @openapi.task_events
    def get(self, request: Request, task_id: str) -> HttpResponse | StreamingHttpResponse:
        row = self.own(task_id)
        seen = request.headers.get("Last-Event-ID")
        if seen and row["status"] in TERMINAL and seen == stream.event_id(task_id):
            return HttpResponse(status=204)
        seconds = Task.objects.values_list("deadline_seconds", flat=True).get(pk=task_id)
        if not waiting.seats.take():
            raise ServiceUnavailable("Too many streams are open here. Poll the task, or try again.", retry_after=5)
        parts = Stream(task_id, lambda: _row(task_id), self.described, seconds)
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        return StreamingHttpResponse(parts, content_type="text/event-stream", headers=headers)


class TaskList(V1View):
    """GET /v1/tasks: the caller's tasks, newest first, as {"items", "pagination"}.

    `page`, `per_page`; filters `status`, `model`, `key` (the id of an API key), `created_after`,
    `created_before` (ISO 8601). A filtered total is exact up to 10,000. Errors: 400 VALIDATION_ERROR.
    """

    authentication_classes = (BearerKey, SessionCaller)
    scope = ApiKey.Scope.TASKS_READ

    @openapi.task_list
    def get(self, request: Request) -> Response:
        page = pagination.read(request.query_params)
        filters = _filters(request.query_params) | pagination.period(request.query_params)
        tasks = _own(self.caller).filter(**filters)
        total = pagination.count(tasks) if filters else _task_count(self.caller)
        found = list(tasks.order_by("-created_at", "-id").values(*TASK_COLUMNS)[page.slice])
        return Response(page.body(task_bodies(found, base_url(request._request)), total))


class ModelList(V1View):
    """GET /v1/models: what is on sale, with prices in dollars per image. No key needed."""

    authentication_classes = ()
    permission_classes = ()

    @openapi.model_list
    def get(self, request: Request) -> Response:
        return Response([model_body(model) for model in catalog.current().models.values()])


def _row(task_id: str) -> Row:
    return rows.read(Task, TASK_COLUMNS, "id = %s", [task_id])[0]


def _own(caller: Caller) -> QuerySet[Task]:
    tasks: QuerySet[Task] = Task.objects.filter(account_id=caller.account_id, mode=caller.mode)
    return tasks


def _task_count(caller: Caller) -> int:
    wallet_id = Wallet.id_of(caller.account_id, caller.mode)
    return Wallet.objects.values_list("task_count", flat=True).get(pk=wallet_id)


def _filters(query: Mapping[str, str]) -> dict[str, Any]:
    filters: dict[str, Any] = {}
    if status := query.get("status"):
        if status not in Status.values:
            raise ValidationFailed({"status": f"must be one of {', '.join(Status.values)}"})
        filters["status"] = status
    if model := query.get("model"):
        if "\0" in model:
            raise ValidationFailed({"model": "must not contain NUL"})
        filters["model"] = model
    if key := query.get("key"):
        if not (key.isascii() and key.isdecimal() and len(key) < 19):
            raise ValidationFailed({"key": "must be the id of an API key"})
        filters["key_id"] = int(key)
    return filters
