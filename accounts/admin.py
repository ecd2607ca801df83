"""Operators' view of people, accounts and keys."""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as BaseGroupAdmin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display
from unfold.forms import AdminPasswordChangeForm, BaseDialogForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminEmailInputWidget, UnfoldAdminTextInputWidget

from accounts import auditlog, invitations, keyring, opening, suspension, visit
from accounts.models import Account, ApiKey, AuditEntry, Invitation, Membership, User
from accounts.serializers import rate_text
from eggapi import clock, money, sheet
from eggapi.readonly import LongList, ReadOnly

POWERS = ("is_staff", "is_superuser", "groups", "user_permissions")
admin.site.unregister(Group)


def actor_of(request: HttpRequest) -> User:
    return cast(User, request.user)


class ReasonForm(BaseDialogForm):
    reason = forms.CharField(
        max_length=200,
        widget=UnfoldAdminTextInputWidget,
        help_text="It stands in the audit log, which the account reads.",
    )


class InviteForm(BaseDialogForm):
    email = forms.EmailField(label="Address", widget=UnfoldAdminEmailInputWidget)


@admin.register(Group)
class GroupAdmin(BaseGroupAdmin, ModelAdmin):
    pass


@admin.register(User)
class UserAdmin(BaseUserAdmin, ModelAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("email", "is_active", "is_staff", "last_login", "date_joined")
    list_filter = ("is_active", "is_staff", "is_superuser")
    search_fields = ("email",)
    ordering = ("email",)
    fieldsets = (
        (None, {"fields": ("email", "password")}),
        ("May", {"fields": ("is_active", *POWERS)}),
        ("When", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "usable_password", "password1", "password2")}),)
    readonly_fields = ("last_login", "date_joined")

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Who could set the password of somebody who may do everything, could do everything."""
        return super().has_change_permission(request, obj) and _may_touch(actor_of(request), obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return super().has_delete_permission(request, obj) and _may_touch(actor_of(request), obj)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Only who may do everything says who else may do what."""
        return self.readonly_fields if actor_of(request).is_superuser else (*self.readonly_fields, *POWERS)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change:
            opening.open_for(obj)


def _may_touch(actor: User, person: User | None) -> bool:
    return actor.is_superuser or person is None or not person.is_superuser


class MembershipInline(TabularInline):
    model = Membership
    extra = 0
    autocomplete_fields = ("user",)


class KeyInline(TabularInline):
    model = ApiKey
    fields = readonly_fields = ("display", "mode", "name", "last_used_at", "expires_at", "disabled_at", "revoked_at")
    extra = 0
    can_delete = False
    show_change_link = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Account)
class AccountAdmin(ModelAdmin):
    list_display: tuple[str, ...] = ("name", "created_at", "suspended_at")
    list_filter = (("suspended_at", admin.EmptyFieldListFilter),)
    search_fields = ("name", "members__email")
    ordering = ("-pk",)
    readonly_fields = (
        *("created_at", "suspended_at", "low_balance_told_at", "dear_hour_told_at"),
        *("delete_at", "deleted_at"),
    )
    inlines: ClassVar = [MembershipInline, KeyInline]
    actions: ClassVar = ["suspend", "readmit", "revoke_all"]
    actions_detail = ("see_as_they_do", "shut_out")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # an account is opened with a person, its wallets and its webhook secret

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # its ledger stays

    @action(
        description="Suspend",
        permissions=["change"],
        dialog={
            "title": "Suspend",
            "description": "Every request of the account is refused; tasks that run are finished.",
            "form_class": ReasonForm,
            "form_submit_text": "Suspend",
        },
    )
    def shut_out(self, request: HttpRequest, form: ReasonForm, object_id: int) -> HttpResponse:
        account = Account.objects.get(pk=object_id)
        if suspension.suspend(account, actor_of(request), form.cleaned_data["reason"]):
            self.message_user(request, "Suspended.", messages.SUCCESS)
        else:
            self.message_user(request, "It was suspended before.", messages.WARNING)
        return HttpResponse(headers={"HX-Redirect": reverse("admin:accounts_account_change", args=[object_id])})

    @action(
        description="See as they do",
        permissions=["change"],
        dialog={
            "title": "See as they do",
            "description": "For an hour you see the dashboard as this account does, and can change nothing there.",
            "form_class": ReasonForm,
            "form_submit_text": "Go there",
        },
    )
    def see_as_they_do(self, request: HttpRequest, form: ReasonForm, object_id: int) -> HttpResponse:
        account = Account.objects.get(pk=object_id)
        visit.begin(request.session, account, actor_of(request), form.cleaned_data["reason"])
        return HttpResponse(headers={"HX-Redirect": reverse("home")})

    @admin.action(description="Suspend: refuse every request, let running tasks finish", permissions=["change"])
    def suspend(self, request: HttpRequest, accounts: QuerySet[Account]) -> None:
        changed = sum(suspension.suspend(account, actor_of(request)) for account in accounts)
        self.message_user(request, f"Suspended: {changed}")

    @admin.action(description="Lift the suspension", permissions=["change"])
    def readmit(self, request: HttpRequest, accounts: QuerySet[Account]) -> None:
        changed = sum(suspension.readmit(account, actor_of(request)) for account in accounts)
        self.message_user(request, f"Readmitted: {changed}")

    @admin.action(description="Revoke all keys", permissions=["change"])
    def revoke_all(self, request: HttpRequest, accounts: QuerySet[Account]) -> None:
        revoked = sum(keyring.revoke_all(account, actor_of(request)) for account in accounts)
        self.message_user(request, f"Keys revoked: {revoked}")


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnly, ModelAdmin):
    """Never changed but by its actions: the text is shown to its maker alone, and the digest to nobody."""

    list_display = ("display", "name", "account", "mode", "state", "last_used_at", "expires_at")
    list_filter = (
        "mode",
        ("revoked_at", admin.EmptyFieldListFilter),
        ("disabled_at", admin.EmptyFieldListFilter),
    )
    list_select_related = ("account",)
    search_fields = ("name", "display", "account__name")
    ordering = ("-pk",)
    fieldsets = (
        (None, {"fields": ("display", "name", "account", "mode", "state")}),
        ("When", {"fields": ("created_at", "last_used_at", "expires_at", "disabled_at", "revoked_at")}),
        (
            "May (nothing set allows everything)",
            {"fields": ("scopes", "allowed_models", "cidrs", "rate_limit", "concurrency", "dollars", "budget_period")},
        ),
    )
    actions: ClassVar = ["disable", "enable", "revoke"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        return super().get_queryset(request).annotate(now=Now())  # type: ignore[no-any-return]

    @admin.display(description="state")
    def state(self, key: Any) -> str:
        found: str = key.state(key.now)
        return found

    @admin.display(description="rate")
    def rate_limit(self, key: ApiKey) -> str:
        return rate_text(key) or "-"

    @admin.display(description="budget")
    def dollars(self, key: ApiKey) -> str:
        return "-" if key.budget is None else money.display(key.budget)

    def has_act_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.change_apikey")

    @admin.action(description="Disable: the next request fails, until it is enabled", permissions=["act"])
    def disable(self, request: HttpRequest, api_keys: QuerySet[ApiKey]) -> None:
        self._act(request, api_keys, keyring.disable, "Disabled")

    @admin.action(description="Enable", permissions=["act"])
    def enable(self, request: HttpRequest, api_keys: QuerySet[ApiKey]) -> None:
        self._act(request, api_keys, keyring.enable, "Enabled")

    @admin.action(description="Revoke: the next request fails", permissions=["act"])
    def revoke(self, request: HttpRequest, api_keys: QuerySet[ApiKey]) -> None:
        self._act(request, api_keys, keyring.revoke, "Revoked")

    def _act(
        self, request: HttpRequest, api_keys: QuerySet[ApiKey], act: Callable[[ApiKey, User], bool], done: str
    ) -> None:
        changed = sum(act(key, actor_of(request)) for key in api_keys.select_related("account"))
        self.message_user(request, f"{done}: {changed}")


@admin.register(AuditEntry)
class AuditEntryAdmin(LongList):
    list_display = ("at", "who", "ip", "account", "action", "target", "more")
    list_filter = ("action", ("at", admin.DateFieldListFilter))
    list_select_related = ("actor", "account")
    search_fields = ("target", "action", "actor__email", "account__name")
    fields = ("at", "who", "ip", "account", "action", "target", "more")
    actions: ClassVar = ["export"]

    @display(description="by", ordering="actor")
    def who(self, entry: AuditEntry) -> str:
        return entry.actor.email if entry.actor else "EggAPI"

    @display(description="before and after")
    def more(self, entry: AuditEntry) -> str:
        return auditlog.lines([entry])[0].more

    @admin.action(description="Export as CSV", permissions=["view"])
    def export(self, request: HttpRequest, entries: QuerySet[AuditEntry]) -> HttpResponseBase:
        headers = {"Content-Disposition": 'attachment; filename="audit-log.csv"'}
        return StreamingHttpResponse(_as_csv(entries), content_type="text/csv; charset=utf-8", headers=headers)


def _as_csv(entries: QuerySet[AuditEntry]) -> Iterator[str]:
    yield sheet.line(["at", "by", "ip", "account", "action", "target", "detail"])
    for entry in entries.select_related("actor", "account").order_by("pk").iterator(1000):
        for line in auditlog.lines([entry]):
            account = str(entry.account or "")
            who = line.who or "EggAPI"
            yield sheet.line([clock.iso(line.at), who, line.ip, account, line.action, line.target, line.more])


@admin.register(Invitation)
class InvitationAdmin(ReadOnly, ModelAdmin):
    """Those to sign up are sent from here, and those into an account from its team page."""

    list_display = ("email", "account", "role", "invited_by", "created_at", "expires_at", "used_at")
    list_filter = (("used_at", admin.EmptyFieldListFilter), ("account", admin.EmptyFieldListFilter))
    list_select_related = ("account", "invited_by")
    search_fields = ("email", "account__name")
    ordering = ("-pk",)
    fields = list_display
    actions_list = ("invite",)
    actions: ClassVar = ["revoke"]

    def has_act_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.add_invitation")

    @action(
        description="Invite somebody",
        permissions=["act"],
        dialog={
            "title": "Invite somebody",
            "description": "Mails a link to sign up with, which works once and for seven days.",
            "form_class": InviteForm,
            "form_submit_text": "Send",
        },
    )
    def invite(self, request: HttpRequest, form: InviteForm) -> HttpResponse:
        try:
            invitations.invite(form.cleaned_data["email"], actor_of(request))
        except invitations.InvitationRefused as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
        else:
            self.message_user(request, f"Invited: {form.cleaned_data['email']}", messages.SUCCESS)
        return HttpResponse(headers={"HX-Redirect": reverse("admin:accounts_invitation_changelist")})

    @admin.action(description="Revoke: their links stop working", permissions=["act"])
    def revoke(self, request: HttpRequest, chosen: QuerySet[Invitation]) -> None:
        revoked = sum(invitations.revoke(one, actor_of(request)) for one in chosen.select_related("account"))
        self.message_user(request, f"Revoked: {revoked}")
