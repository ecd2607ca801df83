"""Operators' view of people, accounts and keys. Signing in here takes the same door as everywhere else."""

from typing import Any, ClassVar

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as BaseGroupAdmin
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from accounts import opening
from accounts.models import Account, ApiKey, Membership, User
from eggapi import clock

admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
admin.site.unregister(Group)


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
    fields = readonly_fields = ("display", "mode", "name", "last_used_at", "expires_at", "revoked_at")
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
    readonly_fields = ("created_at", "suspended_at")
    inlines: ClassVar = [MembershipInline, KeyInline]
    actions: ClassVar = ["suspend", "readmit"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # an account is opened with a person, its wallets and its webhook secret

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # its ledger stays

    @admin.action(description="Suspend: refuse every request, let running tasks finish")
    def suspend(self, request: HttpRequest, accounts: QuerySet[Account]) -> None:
        changed = accounts.filter(suspended_at=None).update(suspended_at=clock.now())
        self.message_user(request, f"Suspended: {changed}")

    @admin.action(description="Lift the suspension")
    def readmit(self, request: HttpRequest, accounts: QuerySet[Account]) -> None:
        changed = accounts.exclude(suspended_at=None).update(suspended_at=None)
        self.message_user(request, f"Readmitted: {changed}")


@admin.register(ApiKey)
class ApiKeyAdmin(ModelAdmin):
    """Read-only but for revoking: the text is shown to its maker alone, and the digest to nobody."""

    list_display = ("display", "name", "account", "mode", "last_used_at", "expires_at", "revoked_at")
    list_filter = ("mode", ("revoked_at", admin.EmptyFieldListFilter))
    list_select_related = ("account",)
    search_fields = ("name", "display", "account__name")
    ordering = ("-pk",)
    fields = ("display", "name", "account", "mode", "created_at", "last_used_at", "expires_at", "revoked_at")
    actions: ClassVar = ["revoke"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.change_apikey")

    @admin.action(description="Revoke: the next request fails", permissions=["revoke"])
    def revoke(self, request: HttpRequest, api_keys: QuerySet[ApiKey]) -> None:
        changed = api_keys.filter(revoked_at=None).update(revoked_at=clock.now())
        self.message_user(request, f"Revoked: {changed}")
