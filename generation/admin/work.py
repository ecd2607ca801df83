"""What operators see of tasks and of what was bought for them. What customers wrote is not shown."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from accounts.admin import actor_of
from accounts.models import User
from billing.admin import OfModel, dollars
from eggapi import clock
from eggapi.readonly import LongList
from generation import story, stuck
from generation.models import ImageModel, Purchase, Task

MOST_AT_ONCE = 200


class Stuck(admin.SimpleListFilter):
    """Much slower than others of the model, claimed again and again for nothing, or with a lease that has lapsed."""

    title = "stuck"
    parameter_name = "stuck"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Stuck")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Task]) -> QuerySet[Task]:
        if self.value() != "yes":
            return queryset
        return queryset.filter(stuck.condition(clock.now()), next_run_at__isnull=False)


class OfAnyModel(OfModel):
    """Also of those that never completed anything."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in ImageModel.objects.order_by("name").values_list("name", flat=True)]


@admin.register(Task)
class TaskAdmin(LongList):
    list_display = (
        "id", "account", "mode", "model", "num_outputs", "status", "ended", dollars("cost"), "created_at",
    )  # fmt: skip
    list_filter = (Stuck, "status", "mode", OfAnyModel)
    list_select_related = ("account",)
    search_fields = ("id__exact",)
    ordering: ClassVar = ["-created_at"]
    fields = (
        "id", "account", "mode", "model", "num_outputs", "status", "ended", dollars("cost"), "created_at", "error",
        "key", "type", "aspect_ratio", "resolution", "output_format", "strategy", dollars("unit_price"), "started_at",
        "completed_at", "deadline_at", "next_run_at", "lease_until", "claims_without_progress",
    )  # fmt: skip
    actions: ClassVar = ["poll_now", "move_on", "fail"]
    change_form_outer_before_template = "admin/generation/story.html"

    def has_act_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("generation.change_task")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        task = Task.objects.filter(pk=unquote(object_id)).first()
        told = {"lines": story.tell(task)} if task and self.has_view_permission(request, task) else {}
        answer: HttpResponse = super().change_view(request, object_id, form_url, {**(extra_context or {}), **told})
        return answer

    @admin.action(description="Poll now: do the next step at once", permissions=["act"])
    def poll_now(self, request: HttpRequest, tasks: QuerySet[Task]) -> None:
        self._act(request, tasks, stuck.poll_now, "Due now")

    @admin.action(description="Move on: give up the attempt, take the next route", permissions=["act"])
    def move_on(self, request: HttpRequest, tasks: QuerySet[Task]) -> None:
        """What was paid on the route that is left is a leak."""
        self._act(request, tasks, stuck.move_on, "Moved on")

    @admin.action(description="Fail: end without images and give the money back", permissions=["act"])
    def fail(self, request: HttpRequest, tasks: QuerySet[Task]) -> None:
        self._act(request, tasks, stuck.fail, "Failed, with the money given back")

    def _act(self, request: HttpRequest, tasks: QuerySet[Task], act: Callable[[Task, User], bool], done: str) -> None:
        chosen = list(tasks.select_related("account")[:MOST_AT_ONCE])
        changed = sum(act(task, actor_of(request)) for task in chosen)
        self.message_user(request, f"{done}: {changed}. Left alone: {len(chosen) - changed}.")


@admin.register(Purchase)
class PurchaseAdmin(LongList):
    """`hint` is the upstream id of a callback; `leak` what was paid without bringing the customer anything."""

    list_display = (
        "client_ref", "task", "route", "state", "outcome", "message", "images_asked", dollars("cost"), dollars("leak"),
        "sent_at",
    )  # fmt: skip
    list_filter = ("state", "outcome")
    list_select_related = ("attempt__route__model", "attempt__route__provider")
    search_fields = ("client_ref__exact", "attempt__task__id__exact")
    ordering: ClassVar = ["-sent_at"]
    fields = (*list_display, "upstream_id", "hint", "polls", "give_up_at")

    @admin.display
    def task(self, purchase: Purchase) -> str:
        return purchase.attempt.task_id

    @admin.display
    def route(self, purchase: Purchase) -> str:
        return str(purchase.attempt.route)
