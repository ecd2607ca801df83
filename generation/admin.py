"""What operators see of providers and tasks. Nothing here can be changed; credentials and prompts are not shown."""

from typing import ClassVar

from django.contrib import admin
from unfold.admin import ModelAdmin, TabularInline

from billing.admin import Page, dollars
from eggapi import money
from eggapi.readonly import ReadOnly
from generation.models import Attempt, Breaker, Provider, Purchase, Route, Task


@admin.register(Provider)
class ProviderAdmin(ReadOnly, ModelAdmin):
    list_display = ("name", "adapter", "base_url", "has_credential", "has_callback_secret", "enabled")
    list_filter = ("adapter", "enabled")
    search_fields = ("name",)
    ordering = ("name",)
    fields = (*list_display, "concurrency", "result_hosts", "low_balance")

    @admin.display(boolean=True, description="credential")
    def has_credential(self, provider: Provider) -> bool:
        return bool(provider.credential_encrypted)

    @admin.display(boolean=True, description="callback secret")
    def has_callback_secret(self, provider: Provider) -> bool:
        return bool(provider.callback_secret_encrypted)


@admin.register(Route)
class RouteAdmin(ReadOnly, ModelAdmin):
    list_display = (
        "model", "label", "provider", "upstream_model", "priority", "weight", dollars("cost"), "cost_at_4k",
        dollars("cost_per_reference"), "enabled",
    )  # fmt: skip
    list_filter = ("model", "provider", "enabled")
    list_select_related = ("model", "provider")
    ordering = ("model", "priority", "pk")
    fields = (*list_display, "official", "require_margin", "conditions")

    @admin.display(description="cost at 4k", ordering="cost_4k")
    def cost_at_4k(self, route: Route) -> str:
        return "" if route.cost_4k is None else money.display(route.cost_4k)


@admin.register(Breaker)
class BreakerAdmin(ReadOnly, ModelAdmin):
    """A model of a provider that is well has no row here."""

    fields = list_display = (
        "provider", "upstream_model", "reason", "opened_at", "open_until", "seconds", "probe", "probe_until",
    )  # fmt: skip
    list_select_related = ("provider",)
    ordering = ("-opened_at",)


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
