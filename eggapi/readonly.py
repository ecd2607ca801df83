"""Admin pages that show and never change anything."""

from django.db.models import Model
from django.http import HttpRequest


class ReadOnly:
    """Goes before ModelAdmin or an inline among the bases."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
