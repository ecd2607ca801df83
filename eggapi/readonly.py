"""Admin pages that show and never change anything."""

from typing import ClassVar

from django.db.models import Model
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator


class ReadOnly:
    """Goes before ModelAdmin or an inline among the bases."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class LongList(ReadOnly, ModelAdmin):
    """Rows may be millions: they are not counted, and looked for only by index."""

    show_full_result_count = False
    paginator = InfinitePaginator
    list_per_page = 50
    ordering: ClassVar = ["-pk"]
