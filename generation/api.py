"""/v1 for tasks and models."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import SUBMITS, V1View
from accounts.authentication import BearerKey, SessionCaller
from accounts.caller import Caller
from billing.models import Wallet
from eggapi import ids, pagination, rows
from eggapi.envelope import base_url
from eggapi.errors import NotFound, ValidationFailed
from generation import catalog, openapi
from generation.models import Status, Task
from generation.serializers import TASK_COLUMNS, accepted_body, model_body, task_bodies
from generation.submit import submit


class Generate(V1View):
    """POST /v1/generate: accepts a task and answers 202 with it.

    Errors: 400 VALIDATION_ERROR naming the field, 403 INSUFFICIENT_BALANCE, 409 IDEMPOTENCY_IN_FLIGHT,
    422 IDEMPOTENCY_MISMATCH, 503 SERVICE_UNAVAILABLE. Nothing is held after any of them.
    """

    authentication_classes = (BearerKey, SessionCaller)
    limit = SUBMITS

    @openapi.generate
    def post(self, request: Request) -> Response:
        body: dict[str, Any] = request.data  # type: ignore[assignment]  # StrictJSONParser makes nothing else
        task, replayed = submit(self.caller, body, request.headers.get("Idempotency-Key"))
        request._request.log_fields["task"] = task.id  # type: ignore[attr-defined]
        headers = {"Idempotent-Replayed": "true"} if replayed else {}
        return Response(accepted_body(task), status=202, headers=headers)


class TaskDetail(V1View):
    """GET /v1/tasks/{id}: one of the caller's own tasks. 404 for anybody else's."""

    authentication_classes = (BearerKey, SessionCaller)

    @openapi.task_detail
    def get(self, request: Request, task_id: str) -> Response:
        looks_right = ids.TASK_ID.fullmatch(task_id)  # a database would choke on NUL
        own = [task_id, self.caller.account_id, self.caller.mode]
        found = looks_right and rows.read(Task, TASK_COLUMNS, "id = %s AND account_id = %s AND mode = %s", own)
        if not found:
            raise NotFound("There is no such task.")
        return Response(task_bodies(found, base_url(request._request))[0])


class TaskList(V1View):
    """GET /v1/tasks: the caller's tasks, newest first, as {"items", "pagination"}.

    `page`, `per_page`; filters `status`, `model`, `key` (the id of an API key), `created_after`,
    `created_before` (ISO 8601). A filtered total is exact up to 10,000. Errors: 400 VALIDATION_ERROR.
    """

    authentication_classes = (BearerKey, SessionCaller)

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
