"""What operators see of money. No row can be changed: a credit and a refund are entries of their own."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db import IntegrityError, transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.decorators import action

from accounts import auditlog
from accounts.admin import AccountAdmin, actor_of
from accounts.models import Account, Mode
from billing import ledger, redeem
from billing.forms import BatchForm, MoveForm
from billing.ledger import Insufficient, NotRefundable
from billing.models import DailyUsage, Hold, LedgerEntry, RedeemBatch, TopUp, UsageRecord, Wallet
from eggapi import money
from eggapi.readonly import LongList, ReadOnly

MOST_ENTRIES = 10
admin.site.unregister(Account)


def dollars(field: str) -> Callable[[Any], str]:
    """A column that shows a field of micro-dollars as dollars."""

    @admin.display(description=field.replace("_", " "), ordering=field)
    def column(row: Model) -> str:
        return money.display(getattr(row, field))

    return column


def _linked(entries: Sequence[LedgerEntry], query: str, words: str) -> SafeString:
    """A line for each, and a link to the list of all."""
    page = reverse("admin:billing_ledgerentry_changelist")
    rows = (
        (f"{page}{e.pk}/change/", f"{e.created_at:%Y-%m-%d %H:%M:%S}", e.kind, money.display(e.amount), e.reason)
        for e in entries
    )
    lines = format_html_join("", '<li><a class="op-link" href="{}">{}</a> {} {} {}</li>', rows)
    return format_html('<ul>{}</ul><a class="op-link" href="{}">{}</a>', lines, page + query, words)


class OfModel(admin.SimpleListFilter):
    """By image model. The daily sums know the names; to ask the rows themselves would be to read them all."""

    title = parameter_name = "model"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        names = DailyUsage.objects.order_by("model").values_list("model", flat=True).distinct()
        return [(name, name) for name in names]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(model=self.value()) if self.value() else queryset


class Moving(LongList):
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
    list_display = (
        "id", "account", "mode", dollars("posted"), dollars("held"), dollars("available"), dollars("owed"),
        "task_count", "event_seq",
    )  # fmt: skip
    fields = (*list_display, "latest")
    actions_detail = ("credit",)
    list_filter = ("mode",)
    list_select_related = ("account",)
    search_fields = ("account__name",)

    @admin.display(description="latest entries")
    def latest(self, wallet: Wallet) -> SafeString:
        entries = list(wallet.entries.order_by("-pk")[:MOST_ENTRIES])
        return _linked(entries, f"?wallet__id__exact={wallet.pk}", "All entries of this wallet")

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


class WalletInline(ReadOnly, TabularInline):
    model = Wallet
    fields = ("mode", dollars("available"), dollars("held"), dollars("owed"), "open_holds", "task_count")
    readonly_fields = fields
    show_change_link = True


@admin.register(Account)
class AccountWithMoney(AccountAdmin):
    """What accounts show of themselves, and their balances."""

    list_display = (*AccountAdmin.list_display, "live", "test")
    inlines: ClassVar = [WalletInline, *AccountAdmin.inlines]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Account]:
        accounts: QuerySet[Account] = super().get_queryset(request).prefetch_related("wallets")
        return accounts

    @admin.display(description="live balance")
    def live(self, account: Account) -> str:
        return self._balance(account, Mode.LIVE)

    @admin.display(description="test balance")
    def test(self, account: Account) -> str:
        return self._balance(account, Mode.TEST)

    def _balance(self, account: Account, mode: Mode) -> str:
        return next((money.display(wallet.available) for wallet in account.wallets.all() if wallet.mode == mode), "-")


@admin.register(LedgerEntry)
class LedgerEntryAdmin(Moving):
    list_display = (
        "id", "wallet", "kind", "counterpart", dollars("amount"), "task_id", "reason", "created_at",
    )  # fmt: skip
    fields = (*list_display, "reference", "of_task")
    list_filter = ("kind", "counterpart")
    list_select_related = ("wallet__account",)
    search_fields = ("task_id__exact", "reference__exact")
    actions_detail = ("refund",)

    @admin.display(description="entries of the task")
    def of_task(self, entry: LedgerEntry) -> SafeString:
        """What was charged beside what made up for it."""
        if not entry.task_id:
            return SafeString("-")
        entries = list(LedgerEntry.objects.filter(task_id=entry.task_id).order_by("-pk")[:MOST_ENTRIES])
        return _linked(entries, f"?q={entry.task_id}", "In the ledger")

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
class HoldAdmin(LongList):
    fields = list_display = (
        "task_id", "wallet", "state", dollars("amount"), dollars("captured"), "created_at", "closed_at",
    )  # fmt: skip
    list_filter = ("state",)
    list_select_related = ("wallet__account",)
    search_fields = ("task_id__exact",)
    ordering: ClassVar = ["-created_at"]


@admin.register(UsageRecord)
class UsageRecordAdmin(LongList):
    fields = list_display = (
        "task_id", "account", "mode", "key", "model", "type", "units", dollars("unit_price"), dollars("cost"),
        "created_at",
    )  # fmt: skip
    list_filter = ("mode", OfModel)
    list_select_related = ("account", "key")
    search_fields = ("task_id__exact",)


@admin.register(DailyUsage)
class DailyUsageAdmin(LongList):
    fields = list_display = (
        "day", "account", "mode", "key", "model", "type", "units", "requests", dollars("cost"),
    )  # fmt: skip
    list_filter = ("mode", OfModel, "type")
    list_select_related = ("account",)
    ordering: ClassVar = ["-day", "-pk"]


@admin.register(RedeemBatch)
class RedeemBatchAdmin(LongList):
    fields = list_display = ("id", "name", dollars("amount"), "uses", "created_at", "expires_at", "revoked_at")
    search_fields = ("name",)
    actions_list = ("make",)
    actions: ClassVar = ["revoke"]

    def has_make_permission(self, request: HttpRequest) -> bool:
        return actor_of(request).has_perm("billing.add_redeembatch")

    @action(description="Make codes", permissions=["make"])
    def make(self, request: HttpRequest) -> HttpResponse:
        """The codes are in the answer to the POST, a file, and nowhere else."""
        form = BatchForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            codes = form.make(actor_of(request))
            headers = {"Content-Disposition": 'attachment; filename="redeem-codes.csv"', "Cache-Control": "no-store"}
            return HttpResponse("code\n" + "\n".join(codes) + "\n", content_type="text/csv", headers=headers)
        context = {"title": "Make redeem codes", "opts": self.opts, "form": form}
        return render(request, "operating/codes.html", self.admin_site.each_context(request) | context)

    @admin.action(description="Revoke: no code of these can be redeemed any more", permissions=["make"])
    def revoke(self, request: HttpRequest, batches: QuerySet[RedeemBatch]) -> None:
        revoked = sum(redeem.revoke_batch(batch, actor_of(request)) for batch in batches)
        self.message_user(request, f"Codes revoked: {revoked}")


@admin.register(TopUp)
class TopUpAdmin(LongList):
    fields = list_display = (
        "order", "account", "state", dollars("amount"), dollars("taken_back"), "provider", "session", "payment",
        "created_at", "paid_at",
    )  # fmt: skip
    list_filter = ("state",)
    list_select_related = ("account",)
    search_fields = ("order__exact", "session__exact", "payment__exact")
    ordering: ClassVar = ["-created_at"]
