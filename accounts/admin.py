"""Operators' view of people, accounts and keys."""

from collections.abc import Callable
from typing import Any, ClassVar, cast

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as BaseGroupAdmin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from accounts import keyring, opening, suspension
from accounts.models import Account, ApiKey, AuditEntry, Membership, User
from accounts.serializers import rate_text
from eggapi import clock, money
from eggapi.readonly import ReadOnly

admin.site.unregister(Group)


def actor_of(request: HttpRequest) -> User:
    return cast(User, request.user)


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
        ("May", {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        ("When", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "usable_password", "password1", "password2")}),)
    readonly_fields = ("last_login", "date_joined")

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change:
            opening.open_for(obj)


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
    list_display = ("name", "created_at", "suspended_at")
    list_filter = (("suspended_at", admin.EmptyFieldListFilter),)
    search_fields = ("name", "members__email")
    ordering = ("-pk",)
    readonly_fields = (
        *("created_at", "suspended_at", "low_balance_told_at", "dear_hour_told_at"),
        *("delete_at", "deleted_at"),
    )
    inlines: ClassVar = [MembershipInline, KeyInline]
    actions: ClassVar = ["suspend", "readmit", "revoke_all"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # an account is opened with a person, its wallets and its webhook secret

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # its ledger stays

    @admin.action(description="Suspend: refuse every request, let running tasks finish")
    def suspend(self, request: HttpRequest, accounts: QuerySet[Account]) -> None:
        changed = sum(suspension.suspend(account, actor_of(request)) for account in accounts)
        self.message_user(request, f"Suspended: {changed}")

    @admin.action(description="Lift the suspension")
    def readmit(self, request: HttpRequest, accounts: QuerySet[Account]) -> None:
        changed = sum(suspension.readmit(account, actor_of(request)) for account in accounts)
        self.message_user(request, f"Readmitted: {changed}")

    @admin.action(description="Revoke all keys")
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

    @admin.display(description="state")
    def state(self, key: ApiKey) -> str:
        return key.state(clock.now())

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
class AuditEntryAdmin(ReadOnly, ModelAdmin):
    list_display = ("at", "actor", "account", "action", "target")
    list_filter = ("action",)
    list_select_related = ("actor", "account")
    search_fields = ("target", "actor__email", "account__name")
    ordering = ("-pk",)
    fields = ("at", "actor", "account", "action", "target", "detail")
