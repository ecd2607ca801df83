"""What operators see of money. Nothing here can be changed: money moves by `manage.py credit` and by tasks."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Model
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from billing.models import DailyUsage, Hold, LedgerEntry, UsageRecord, Wallet
from eggapi import money
from eggapi.readonly import ReadOnly


def dollars(field: str) -> Callable[[Any], str]:
    """A column that shows a field of micro-dollars as dollars."""

    @admin.display(description=field.replace("_", " "), ordering=field)
    def column(row: Model) -> str:
        return money.display(getattr(row, field))

    return column


class Page(ReadOnly, ModelAdmin):
    """Rows may be millions: they are not counted, and looked for only by index."""

    show_full_result_count = False
    paginator = InfinitePaginator
    ordering: ClassVar = ["-pk"]


@admin.register(Wallet)
class WalletAdmin(Page):
    fields = list_display = (
        "id", "account", "mode", dollars("posted"), dollars("held"), dollars("available"), "task_count", "event_seq",
    )  # fmt: skip
    list_filter = ("mode",)
    list_select_related = ("account",)
    search_fields = ("account__name",)


@admin.register(LedgerEntry)
class LedgerEntryAdmin(Page):
    fields = list_display = (
        "id", "wallet", "kind", "counterpart", dollars("amount"), "task_id", "reason", "created_at",
    )  # fmt: skip
    list_filter = ("kind", "counterpart")
    list_select_related = ("wallet__account",)
    search_fields = ("task_id__exact",)


@admin.register(Hold)
class HoldAdmin(Page):
    fields = list_display = (
        "task_id", "wallet", "state", dollars("amount"), dollars("captured"), "created_at", "closed_at",
    )  # fmt: skip
    list_filter = ("state",)
    list_select_related = ("wallet__account",)
    search_fields = ("task_id__exact",)
    ordering: ClassVar = ["-created_at"]


@admin.register(UsageRecord)
class UsageRecordAdmin(Page):
    fields = list_display = (
        "task_id", "account", "mode", "key", "model", "type", "units", dollars("unit_price"), dollars("cost"),
        "created_at",
    )  # fmt: skip
    list_filter = ("mode", "model", "type")
    list_select_related = ("account", "key")
    search_fields = ("task_id__exact",)


@admin.register(DailyUsage)
class DailyUsageAdmin(Page):
    fields = list_display = (
        "day", "account", "mode", "key", "model", "type", "units", "requests", dollars("cost"),
    )  # fmt: skip
    list_filter = ("mode", "model", "type")
    list_select_related = ("account",)
    ordering: ClassVar = ["-day", "-pk"]
