"""What the operators' pages of our own making have in common."""

from collections.abc import Callable
from typing import Any

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_POST


class OwnPages:
    """Goes before ModelAdmin among the bases: pages in the operators' frame, and verbs that are posted."""

    admin_site: AdminSite
    opts: Any

    def show(self, request: HttpRequest, template: str, title: str, **context: Any) -> HttpResponse:
        """`template` lies in templates/admin/generation."""
        frame = self.admin_site.each_context(request) | {"opts": self.opts, "title": title}
        return TemplateResponse(request, f"admin/generation/{template}", frame | context)

    def page(self, address: str, view: Callable[..., HttpResponse], name: str) -> URLPattern:
        return path(address, self.admin_site.admin_view(view), name=name)

    def verb(self, address: str, view: Callable[..., HttpResponse], name: str) -> URLPattern:
        """Answers POST alone."""
        return path(address, self.admin_site.admin_view(require_POST(view)), name=name)


def require(request: HttpRequest, permission: str) -> None:
    """Raises PermissionDenied."""
    if not request.user.has_perm(permission):
        raise PermissionDenied
