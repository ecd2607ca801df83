"""Providers: who they are, how they are doing, and a real picture on demand. No credential is ever shown."""

from datetime import datetime
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from redis import RedisError
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.views import ChangeList as UnfoldChangeList

from accounts.admin import actor_of
from eggapi import charts, clock
from generation import chain, edit, performance, probe, standing
from generation.admin.pages import OwnPages, require
from generation.forms import ProviderForm
from generation.models import Provider, Route
from generation.performance import Performance

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half-open"


class ProviderList(UnfoldChangeList):
    """Knows how each of its providers is doing, in as many queries for fifty as for one."""

    result_list: Any

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        now = clock.now()
        done = performance.of_providers(now)
        rows: list[Any] = list(self.result_list)
        findings = standing.known([row.pk for row in rows])
        for row in rows:
            row.performance = done.get(row.pk, Performance())
            row.finding = findings.get(row.pk)
            row.circuit = circuit_of(row, now)
        self.result_list = rows


def circuit_of(provider: Provider, now: datetime) -> tuple[str, str]:
    """The worst of its breakers: closed, half-open or open, and since when."""
    rows = list(provider.breakers.all())
    if not rows:
        return CLOSED, CLOSED
    state = OPEN if any(now < row.open_until for row in rows) else HALF_OPEN
    return state, f"{state} since {min(row.opened_at for row in rows):%H:%M} UTC"


@admin.register(Provider)
class ProviderAdmin(OwnPages, ModelAdmin):
    form = ProviderForm
    list_display = (
        "name", "adapter", "is_enabled", "circuit", "success", "by_hour", "median", "last_error", "balance", "test",
    )  # fmt: skip
    list_filter = ("adapter", "enabled")
    search_fields = ("name",)
    ordering: ClassVar = ["name"]
    fields = (
        "name", "adapter", "base_url", "credential", "callback_secret", "concurrency", "result_hosts", "low_balance",
        "enabled",
    )  # fmt: skip
    change_form_after_template = "admin/generation/provider_links.html"

    def get_urls(self) -> list[URLPattern]:
        own = [
            self.page("<int:pk>/test/", self.test_page, "provider_test"),
            self.page("<int:pk>/test/result/", self.test_result, "provider_test_result"),
            self.page("<int:pk>/test/picture/", self.test_picture, "provider_test_picture"),
            self.verb("<int:pk>/test/start/", self.start_test, "provider_test_start"),
        ]
        return [*own, *super().get_urls()]

    def has_delete_permission(self, request: HttpRequest, obj: Provider | None = None) -> bool:
        return False  # what was bought there is still to be fetched

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ProviderList

    def get_queryset(self, request: HttpRequest) -> QuerySet[Provider]:
        return super().get_queryset(request).prefetch_related("breakers")  # type: ignore[no-any-return]

    def get_readonly_fields(self, request: HttpRequest, obj: Provider | None = None) -> tuple[str, ...]:
        if obj is None:
            return ()
        return ("name", "adapter", *(("base_url",) if obj.adapter == chain.SANDBOX else ()))

    def save_model(self, request: HttpRequest, obj: Provider, form: Any, change: bool) -> None:
        edit.put_provider(obj, form.secrets, actor_of(request))

    # -- the list ------------------------------------------------------------------------------------

    @admin.display(boolean=True, description="on", ordering="enabled")
    def is_enabled(self, provider: Provider) -> bool:
        return provider.enabled

    @display(description="breaker", label={CLOSED: "success", HALF_OPEN: "warning", OPEN: "danger"})
    def circuit(self, provider: Any) -> tuple[str, str]:
        found: tuple[str, str] = provider.circuit
        return found

    @admin.display(description="success, 24 h")
    def success(self, provider: Any) -> str:
        done: Performance = provider.performance
        return "-" if done.success is None else f"{done.success} % of {done.delivered + done.failed}"

    @admin.display(description="delivered by hour")
    def by_hour(self, provider: Any) -> str:
        hours = provider.performance.hours
        return (
            charts.sparkline(f"Delivered in each of 24 hours: {', '.join(map(str, hours))}", hours)
            if any(hours)
            else "-"
        )

    @admin.display(description="median, 24 h")
    def median(self, provider: Any) -> str:
        took = provider.performance.median
        return "-" if took is None else f"{took.total_seconds():.1f} s"

    @admin.display(description="last error")
    def last_error(self, provider: Any) -> str:
        done: Performance = provider.performance
        if not done.last_error_at:
            return "-"
        return f"{done.last_error_at:%H:%M} {done.last_error[:80] or 'no words'}"

    @admin.display(description="balance")
    def balance(self, provider: Any) -> str:
        finding = provider.finding
        if finding is None or finding.balance is None:
            return "-"
        return f"{finding.balance:f}"

    @admin.display(description="")
    def test(self, provider: Provider) -> str:
        return format_html(
            '<a href="{}" class="text-link">Test</a>', reverse("admin:provider_test", args=[provider.pk])
        )

    # -- Test now ------------------------------------------------------------------------------------

    def test_page(self, request: HttpRequest, pk: int) -> HttpResponse:
        """GET: what to test, and what came of the last test."""
        require(request, "generation.view_provider")
        provider = get_object_or_404(Provider, pk=pk)
        routes = provider.routes.select_related("model").order_by("-enabled", "cost", "pk")
        may = request.user.has_perm("generation.change_provider")
        title = f"Test {provider}"
        return self.show(
            request,
            "probe.html",
            title,
            object=provider,
            provider=provider,
            routes=routes,
            probe=_last(pk),
            may=may,
            cap=probe.SECONDS,
        )

    def test_result(self, request: HttpRequest, pk: int) -> HttpResponse:
        """GET: what came of the last test, as a part of the page."""
        require(request, "generation.view_provider")
        provider = get_object_or_404(Provider, pk=pk)
        return render(request, "admin/generation/probe_result.html", {"provider": provider, "probe": _last(pk)})

    def test_picture(self, request: HttpRequest, pk: int) -> HttpResponse:
        """GET: the picture of the last test, made small."""
        require(request, "generation.view_provider")
        found = _last(pk)
        if found is None or not found.picture:
            raise Http404
        return HttpResponse(found.picture, content_type="image/webp", headers={"Cache-Control": "no-store"})

    def start_test(self, request: HttpRequest, pk: int) -> HttpResponse:
        """POST route=ID: buys one picture there."""
        require(request, "generation.change_provider")
        number = request.POST.get("route", "")
        wanted = int(number) if number.isascii() and number.isdecimal() and len(number) < 19 else 0
        route = get_object_or_404(Route.objects.select_related("provider"), pk=wanted, provider=pk)
        try:
            probe.start(route, actor_of(request))
        except probe.Busy:
            self.message_user(request, "A test of this provider is under way already.", messages.WARNING)
        except RedisError:
            self.message_user(request, "The cache cannot be reached. Look below for what was sent.", messages.ERROR)
        return redirect("admin:provider_test", pk)


def _last(provider_id: int) -> probe.Probe | None:
    try:
        return probe.last(provider_id)
    except RedisError:
        return None
