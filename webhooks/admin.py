"""What operators see of events and deliveries. Nothing here can be changed, and no secret is shown."""

from typing import ClassVar

from django.contrib import admin
from unfold.admin import ModelAdmin, TabularInline

from eggapi.readonly import LongList, ReadOnly
from webhooks.models import Delivery, DeliveryAttempt, Event, Origin


class DeliveriesOfEvent(ReadOnly, TabularInline):
    model = Delivery
    fields = ("host", "state", "attempts", "next_run_at", "last_status", "last_error")
    show_change_link = True


class AttemptsOfDelivery(ReadOnly, TabularInline):
    model = DeliveryAttempt
    fields = ("n", "at", "by_hand", "status", "error", "milliseconds", "reply")
    ordering = ("n",)


@admin.register(Event)
class EventAdmin(LongList):
    list_display = ("id", "type", "task_id", "account", "mode", "seq", "created_at")
    list_filter = ("type", "mode")
    list_select_related = ("account",)
    search_fields = ("id__exact", "task_id__exact")
    ordering: ClassVar = ["-created_at"]
    fields = ("id", "type", "task_id", "account", "mode", "seq", "created_at", "emptied_at", "body")
    inlines = (DeliveriesOfEvent,)

    @admin.display
    def body(self, event: Event) -> str:
        return bytes(event.payload).decode()


@admin.register(Delivery)
class DeliveryAdmin(LongList):
    list_display = ("event", "account", "host", "state", "attempts", "next_run_at", "last_status", "last_error")
    list_filter = ("state",)
    list_select_related = ("event", "account")
    search_fields = ("event__id__exact", "event__task_id__exact")
    fields = (
        "event", "account", "mode", "url", "state", "attempts", "granted", "by_hand", "next_run_at", "lease_until",
        "delivered_at", "last_status", "last_error",
    )  # fmt: skip
    inlines = (AttemptsOfDelivery,)


@admin.register(Origin)
class OriginAdmin(ReadOnly, ModelAdmin):
    list_display = ("host", "account", "failures", "first_failure_at", "last_failure_at", "last_error", "disabled_at")
    list_filter = (("disabled_at", admin.EmptyFieldListFilter),)
    list_select_related = ("account",)
    search_fields = ("host",)
    ordering = ("-failures", "pk")
