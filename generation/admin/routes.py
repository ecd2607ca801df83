"""What operators see of routes and of those that are failing. Chains are edited per model."""

from django.contrib import admin
from unfold.admin import ModelAdmin

from billing.admin import dollars
from eggapi import money
from eggapi.readonly import ReadOnly
from generation.models import Breaker, Route


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
