"""What operators see of alerts."""

from typing import ClassVar

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display

from eggapi import alerts
from eggapi.models import Alert
from eggapi.readonly import ReadOnly


@admin.register(Alert)
class AlertAdmin(ReadOnly, ModelAdmin):
    list_display = ("cause", "flag", "text", "count", "raised_at", "last_at", "ended_at")
    list_filter = (("ended_at", admin.EmptyFieldListFilter),)
    search_fields = ("cause", "text")
    ordering: ClassVar = [F("ended_at").desc(nulls_first=True), F("last_at").desc()]
    fields = ("cause", "text", "count", "raised_at", "last_at", "ended_at", "told_at")
    actions: ClassVar = ["end"]

    @display(description="state", label={"raised": "danger", "ended": "success"})
    def flag(self, alert: Alert) -> str:
        return alert.state

    @admin.action(description="End these alerts")
    def end(self, request: HttpRequest, queryset: QuerySet[Alert]) -> None:
        alerts.end([alert.cause for alert in queryset])
