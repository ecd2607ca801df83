"""What operators see of alerts, incidents and the outbox."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, urlize
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import display

from eggapi import alerts, clock
from eggapi.models import Alert, Incident, Letter
from eggapi.readonly import ReadOnly


@admin.register(Alert)
class AlertAdmin(ReadOnly, ModelAdmin):
    list_display = ("cause", "flag", "text", "count", "raised_at", "last_at", "ended_at", "what_to_do")
    list_filter = (("ended_at", admin.EmptyFieldListFilter),)
    search_fields = ("cause", "text")
    ordering: ClassVar = [F("ended_at").desc(nulls_first=True), F("last_at").desc()]
    fields = ("cause", "text", "what_to_do", "count", "raised_at", "last_at", "ended_at", "told_at")
    actions: ClassVar = ["end"]

    @display(description="state", label={"raised": "danger", "ended": "success"})
    def flag(self, alert: Alert) -> str:
        return alert.state

    @display(description="what to do")
    def what_to_do(self, alert: Alert) -> SafeString:
        return format_html('<a class="op-link" href="{}">Runbook</a>', alerts.runbook(alert.cause))

    def has_act_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("eggapi.change_alert")

    @admin.action(description="End these alerts", permissions=["act"])
    def end(self, request: HttpRequest, queryset: QuerySet[Alert]) -> None:
        alerts.end([alert.cause for alert in queryset])


@admin.register(Incident)
class IncidentAdmin(ModelAdmin):
    """What it says stands on /status at once."""

    list_display = ("title", "flag", "impact", "part", "started_at", "ended_at")
    list_filter = ("impact", ("ended_at", admin.EmptyFieldListFilter))
    search_fields = ("title", "text", "part")
    ordering: ClassVar = [F("ended_at").desc(nulls_first=True), F("started_at").desc()]
    fields = ("title", "text", "impact", "part", "started_at", "ended_at")
    actions: ClassVar = ["end"]

    @display(description="state", label={"open": "danger", "over": "success"})
    def flag(self, incident: Incident) -> str:
        return "over" if incident.ended_at else "open"

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"started_at": clock.now(), **super().get_changeform_initial_data(request)}

    @admin.action(description="End now", permissions=["change"])
    def end(self, request: HttpRequest, incidents: QuerySet[Incident]) -> None:
        ended = incidents.filter(ended_at=None).update(ended_at=clock.now())
        self.message_user(request, f"Ended: {ended}")


@admin.register(Letter)
class LetterAdmin(ReadOnly, ModelAdmin):
    """Letters on their way, and without a mail server those of the last week. Their links may let people in."""

    list_display = ("to", "subject", "flag", "created_at")
    list_filter = (("due_at", admin.EmptyFieldListFilter),)
    search_fields = ("to", "subject")
    ordering = ("-pk",)
    fields = ("to", "subject", "body", "flag", "created_at", "due_at")

    @display(description="state", label={"kept here": "info", "waiting": "warning"})
    def flag(self, letter: Letter) -> str:
        return "waiting" if letter.due_at else "kept here"

    @display(description="text")
    def body(self, letter: Letter) -> SafeString:
        return format_html(
            '<div class="op-letter">{}</div>', SafeString(urlize(letter.text, nofollow=True, autoescape=True))
        )
