"""What operators see of tasks and of what was bought for them. What customers wrote is not shown."""

from typing import ClassVar

from django.contrib import admin
from unfold.admin import TabularInline

from billing.admin import Page, dollars
from eggapi.readonly import ReadOnly
from generation.models import Attempt, Purchase, Task


class AttemptsOfTask(ReadOnly, TabularInline):
    model = Attempt
    fields = ("n", "route", "state", "outcome", "message", "started_at", "ended_at")
    ordering = ("n",)


@admin.register(Task)
class TaskAdmin(Page):
    list_display = (
        "id", "account", "mode", "model", "num_outputs", "status", "ended", dollars("cost"), "created_at",
    )  # fmt: skip
    list_filter = ("status", "mode", "model")
    list_select_related = ("account",)
    search_fields = ("id__exact",)
    ordering: ClassVar = ["-created_at"]
    fields = (
        *list_display, "error", "key", "type", "aspect_ratio", "resolution", "output_format", "strategy",
        dollars("unit_price"), "started_at", "completed_at", "deadline_at", "next_run_at", "lease_until",
    )  # fmt: skip
    inlines = (AttemptsOfTask,)


@admin.register(Purchase)
class PurchaseAdmin(Page):
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
