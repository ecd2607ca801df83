"""Switches: new tasks, models and providers off and on, and when it is safe to stop."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern
from unfold.admin import ModelAdmin

from accounts.admin import actor_of
from eggapi import renewal
from eggapi.models import Switch
from eggapi.readonly import ReadOnly
from eggapi.switches import LONGEST_REASON
from generation import drain, edit
from generation.admin.pages import OwnPages, require
from generation.models import ImageModel, Provider


@admin.register(Switch)
class SwitchAdmin(ReadOnly, OwnPages, ModelAdmin):
    fields = ("name", "reason", "by", "at")

    def get_urls(self) -> list[URLPattern]:
        own = [
            self.page("left/", self.left, "switch_left"),
            self.verb("submits/", self.turn_submits, "switch_submits"),
            self.verb("models/<int:pk>/", self.turn_model, "switch_model"),
            self.verb("providers/<int:pk>/", self.turn_provider, "switch_provider"),
        ]
        return [*own, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """GET: everything that can be switched, and what is left to be done."""
        require(request, "eggapi.view_switch")
        return self.show(
            request,
            "switches.html",
            "Switches",
            opts=None,  # whose plural is no word
            **_left(),
            models=ImageModel.objects.order_by("pk"),
            providers=Provider.objects.order_by("name"),
            longest_reason=LONGEST_REASON,
            may={
                "submits": request.user.has_perm("eggapi.change_switch"),
                "model": request.user.has_perm("generation.change_imagemodel"),
                "provider": request.user.has_perm("generation.change_provider"),
            },
        )

    def left(self, request: HttpRequest) -> HttpResponse:
        """GET ?seen=MARK: what is left to be done, as a part of the page; 204 while nothing is new."""
        require(request, "eggapi.view_switch")
        return renewal.renewed(request, "admin/generation/left.html", _left())

    def turn_submits(self, request: HttpRequest) -> HttpResponse:
        """POST turn=on or turn=off with a reason."""
        require(request, "eggapi.change_switch")
        if request.POST.get("turn") == "on":
            drain.resume(actor_of(request))
            self.message_user(request, "New tasks are accepted again.")
        else:
            drain.pause(request.POST.get("reason", "").strip()[:LONGEST_REASON], actor_of(request))
            self.message_user(request, "No new tasks are accepted. Those that are under way go on.")
        return redirect("admin:eggapi_switch_changelist")

    def turn_model(self, request: HttpRequest, pk: int) -> HttpResponse:
        """POST turn=on or turn=off."""
        require(request, "generation.change_imagemodel")
        return self._turn(request, get_object_or_404(ImageModel, pk=pk))

    def turn_provider(self, request: HttpRequest, pk: int) -> HttpResponse:
        """POST turn=on or turn=off."""
        require(request, "generation.change_provider")
        return self._turn(request, get_object_or_404(Provider, pk=pk))

    def _turn(self, request: HttpRequest, row: ImageModel | Provider) -> HttpResponse:
        on = request.POST.get("turn") == "on"
        if edit.turn(row, on, actor_of(request)):
            self.message_user(request, f"{row} is {'on' if on else 'off'}; every process knows within two seconds.")
        return redirect("admin:eggapi_switch_changelist")


def _left() -> dict[str, Any]:
    left, submits = drain.left(), Switch.objects.filter(pk=drain.SUBMITS).first()
    return {"left": left, "submits": submits, "mark": renewal.mark(left, submits is None)}
