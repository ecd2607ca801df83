"""What operators see of providers. No credential is shown."""

from django.contrib import admin
from unfold.admin import ModelAdmin

from eggapi.readonly import ReadOnly
from generation.models import Provider


@admin.register(Provider)
class ProviderAdmin(ReadOnly, ModelAdmin):
    list_display = ("name", "adapter", "base_url", "has_credential", "has_callback_secret", "enabled")
    list_filter = ("adapter", "enabled")
    search_fields = ("name",)
    ordering = ("name",)
    fields = (*list_display, "concurrency", "result_hosts", "low_balance")

    @admin.display(boolean=True, description="credential")
    def has_credential(self, provider: Provider) -> bool:
        return bool(provider.credential_encrypted)

    @admin.display(boolean=True, description="callback secret")
    def has_callback_secret(self, provider: Provider) -> bool:
        return bool(provider.callback_secret_encrypted)
