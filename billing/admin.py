"""What operators see of money. No row can be changed: a credit and a refund are entries of their own."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db import IntegrityError, transaction
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.admin import ModelAdmin
from unfold.decorators import action
from unfold.paginator import InfinitePaginator

from accounts import auditlog
from accounts.admin import actor_of
from accounts.models import Mode
from billing import ledger
from billing.forms import MoveForm
from billing.ledger import Insufficient, NotRefundable
from billing.models import DailyUsage, Hold, LedgerEntry, RedeemBatch, TopUp, UsageRecord, Wallet
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


class Moving(Page):
    """With dialogs that move money, for who may add entries."""

    def has_move_permission(self, request: HttpRequest, object_id: object = None) -> bool:
        return actor_of(request).has_perm("billing.add_ledgerentry")

    def moved(self, request: HttpRequest, pk: object, move: Callable[[], str]) -> HttpResponse:
        """Does it, says what came of it, and goes back to the row."""
        try:
            with transaction.atomic():
                self.message_user(request, move(), messages.SUCCESS)
        except (Insufficient, NotRefundable, ValueError) as fault:
            self.message_user(request, f"Nothing changed: {str(fault) or 'less than that is free'}.", messages.ERROR)
        except IntegrityError:
            self.message_user(request, "This was done already.", messages.WARNING)
        page = reverse(f"admin:billing_{self.model.__name__.lower()}_change", args=[pk])
        return HttpResponse(headers={"HX-Redirect": page})


@admin.register(Wallet)
class WalletAdmin(Moving):
    fields = list_display = (
        "id", "account", "mode", dollars("posted"), dollars("held"), dollars("available"), dollars("owed"),
        "task_count", "event_seq",
    )  # fmt: skip
    actions_detail = ("credit",)
    list_filter = ("mode",)
    list_select_related = ("account",)
    search_fields = ("account__name",)

    @action(
        description="Credit",
        permissions=["move"],
        dialog={
            "title": "Credit",
            "description": "Adds dollars to this wallet, or takes them back.",
            "form_class": MoveForm,
            "form_submit_text": "Credit",
        },
    )
    def credit(self, request: HttpRequest, form: MoveForm, object_id: int) -> HttpResponse:
        wallet = Wallet.objects.select_related("account").get(pk=object_id)
        amount, reason, once = form.values()

        def move() -> str:
            ledger.credit(wallet.account, Mode(wallet.mode), amount, reason=reason, reference=f"form {once}")
            auditlog.note("wallet.credit", str(wallet), actor_of(request), wallet.account, amount=amount, reason=reason)
            return f"{money.display(amount)} credited."

        return self.moved(request, object_id, move)


@admin.register(LedgerEntry)
class LedgerEntryAdmin(Moving):
    fields = list_display = (
        "id", "wallet", "kind", "counterpart", dollars("amount"), "task_id", "reason", "created_at",
    )  # fmt: skip
    list_filter = ("kind", "counterpart")
    list_select_related = ("wallet__account",)
    search_fields = ("task_id__exact", "reference__exact")
    actions_detail = ("refund",)

    @action(
        description="Refund",
        permissions=["move"],
        dialog={
            "title": "Refund",
            "description": "Gives back what this task cost, or a part of it, once.",
            "form_class": MoveForm,
            "form_submit_text": "Refund",
        },
    )
    def refund(self, request: HttpRequest, form: MoveForm, object_id: int) -> HttpResponse:
        task_id = LedgerEntry.objects.get(pk=object_id).task_id
        amount, reason, _ = form.values()

        def move() -> str:
            account = ledger.refund(task_id, amount, reason=reason).wallet.account
            auditlog.note("task.refund", task_id, actor_of(request), account, amount=amount, reason=reason)
            return f"{money.display(amount)} refunded."

        return self.moved(request, object_id, move)

    def changeform_view(self, request: HttpRequest, object_id: str | None = None, *args: Any, **kwargs: Any) -> Any:
        self._note_attempt("change", request, object_id)
        return super().changeform_view(request, object_id, *args, **kwargs)

    def delete_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> Any:
        self._note_attempt("delete", request, object_id)
        return super().delete_view(request, object_id, *args, **kwargs)

    def _note_attempt(self, verb: str, request: HttpRequest, object_id: str | None) -> None:
        """Nobody may, and the database would refuse it; who tries nonetheless is written down."""
        if request.method == "POST":
            auditlog.note(f"entry.{verb}_refused", f"entry {object_id}", actor_of(request))


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


@admin.register(RedeemBatch)
class RedeemBatchAdmin(Page):
    fields = list_display = ("id", "name", dollars("amount"), "uses", "created_at", "expires_at", "revoked_at")
    search_fields = ("name",)


@admin.register(TopUp)
class TopUpAdmin(Page):
    fields = list_display = (
        "order", "account", "state", dollars("amount"), dollars("taken_back"), "provider", "session", "payment",
        "created_at", "paid_at",
    )  # fmt: skip
    list_filter = ("state",)
    list_select_related = ("account",)
    search_fields = ("order__exact", "session__exact", "payment__exact")
    ordering: ClassVar = ["-created_at"]
