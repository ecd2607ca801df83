"""What is sold, and for how much. Prices are added, never edited."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin, TabularInline

from accounts.admin import actor_of
from accounts.models import Mode
from billing.admin import dollars
from eggapi import money
from eggapi.readonly import ReadOnly
from generation import chain, edit
from generation.admin.chain import ChainPages
from generation.forms import PriceForm
from generation.models import ImageModel, Price, Route

PRICED = Prefetch("model__routes", Route.objects.select_related("model", "provider").filter(enabled=True))


@admin.display(description="margin of the live routes")
def margin(price: Price) -> str:
    """The least and the most that an image leaves, over the live routes that serve it."""
    live = [route for route in price.model.routes.all() if route.provider.enabled and route.provider.mode == Mode.LIVE]
    costs = [cost for route in live for cost in chain.costs_of(route, [price.resolution]).values()]
    if not costs:
        return "no live route"
    words = [
        f"{money.display(price.amount - cost)} ({round(100 * (price.amount - cost) / price.amount)} %)"
        for cost in (max(costs), min(costs))
    ]
    return words[0] if words[0] == words[1] else " to ".join(words)


class PricesOfModel(ReadOnly, TabularInline):
    model = Price
    verbose_name_plural = "prices"
    hide_title = True
    fields = readonly_fields = ("resolution", dollars("amount"), "since", margin)
    ordering = ("resolution", "-since")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Price]:
        return super().get_queryset(request).select_related("model").prefetch_related(PRICED)  # type: ignore[no-any-return]


@admin.register(ImageModel)
class ImageModelAdmin(ChainPages, ModelAdmin):
    """A model comes with a release; operators say whether it is on sale, for how much, and where it is bought."""

    list_display = ("name", "description", "prices", "live_routes", "enabled", "chain_link")
    fields = ("name", "description", "resolutions", "enabled")
    readonly_fields = ("name", "resolutions")
    inlines = (PricesOfModel,)
    ordering: ClassVar = ["pk"]
    change_form_after_template = "admin/generation/model_links.html"

    def get_urls(self) -> list[URLPattern]:
        return [*self.chain_urls(), *super().get_urls()]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ImageModel | None = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[ImageModel]:
        return super().get_queryset(request).prefetch_related("prices", "routes__provider").annotate(now=Now())  # type: ignore[no-any-return]

    def save_model(self, request: HttpRequest, obj: ImageModel, form: Any, change: bool) -> None:
        edit.describe(obj, obj.description, obj.enabled, actor_of(request))

    @admin.display(description="prices now")
    def prices(self, model: Any) -> str:
        past = sorted((each for each in model.prices.all() if each.since <= model.now), key=lambda price: price.since)
        latest = {price.resolution: price.amount for price in past}
        return ", ".join(f"{name} {money.display(latest[name])}" for name in model.resolutions if name in latest)

    @admin.display(description="live routes")
    def live_routes(self, model: ImageModel) -> int:
        routes = model.routes.all()
        return sum(each.enabled and each.provider.enabled and each.provider.mode == Mode.LIVE for each in routes)

    @admin.display(description="")
    def chain_link(self, model: ImageModel) -> str:
        return format_html('<a href="{}" class="text-link">Chain</a>', reverse("admin:chain", args=[model.pk]))


@admin.register(Price)
class PriceAdmin(ModelAdmin):
    form = PriceForm
    list_display = ("model", "resolution", dollars("amount"), "since", "state", margin)
    list_filter = ("model", "resolution")
    ordering = ("model", "resolution", "-since")
    fields = ("model", "resolution", "amount", "since")

    def has_change_permission(self, request: HttpRequest, obj: Price | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Price | None = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Price]:
        prices: QuerySet[Price] = super().get_queryset(request).select_related("model").annotate(now=Now())
        return prices.prefetch_related(PRICED, "model__prices")

    def save_model(self, request: HttpRequest, obj: Price, form: Any, change: bool) -> None:
        obj.pk = edit.add_price(obj.model, obj.resolution, obj.amount, obj.since, actor_of(request)).pk

    @admin.display(description="state")
    def state(self, price: Any) -> str:
        if price.since > price.now:
            return "to come"
        rivals = [each for each in price.model.prices.all() if each.resolution == price.resolution]
        latest = max((each for each in rivals if each.since <= price.now), key=lambda each: each.since)
        return "now" if latest.pk == price.pk else "past"
