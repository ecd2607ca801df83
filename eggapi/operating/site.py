"""The operators' site: who may come in, and what its pages may load."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.decorators import secure_admin_login
from allauth.mfa.utils import is_mfa_enabled
from csp.constants import NONCE, NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.decorators import csp
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, path
from unfold.sites import UnfoldAdminSite

SECOND_FACTOR_PAGE = "/accounts/2fa/"
# Unfold's pages speak Alpine, which makes functions of the expressions in their attributes, and colour themselves
# with a <style> of their own. Neither lets a script in: there is none but in files of ours.
POLICY = {
    "default-src": [SELF],
    "script-src": [SELF, NONCE, UNSAFE_EVAL],
    "style-src": [SELF, UNSAFE_INLINE],
    "img-src": settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]["img-src"],
    "frame-ancestors": [NONE],
    "object-src": [NONE],
    "base-uri": [NONE],
    "form-action": [SELF],
}

View = Callable[..., HttpResponseBase]


class OperatorSite(UnfoldAdminSite):
    """Signing in takes the same door as everywhere else, and outside of the embedded mode a second factor."""

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        answer: HttpResponse = secure_admin_login(super().login)(request, extra_context)
        return answer

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        guarded: View = csp(POLICY)(super().admin_view(_with_second_factor(view), cacheable))
        return guarded

    def extra_urls(self) -> list[URLPattern]:
        """Unfold's hook: pages of no single model."""
        # Here, for they import pages that register with this very site.
        from eggapi.operating import backlog, check, reconciliation

        return [
            path("doctor/", self.admin_view(check.page), name="doctor"),
            path("billing/wallet/reconciliation/", self.admin_view(reconciliation.page), name="reconciliation"),
            path("webhooks/backlog/", self.admin_view(backlog.page), name="webhook_backlog"),
        ]


def _with_second_factor(view: View) -> View:
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if settings.EGGAPI_EMBEDDED or is_mfa_enabled(request.user):
            return view(request, *args, **kwargs)
        return redirect(SECOND_FACTOR_PAGE)

    return guarded
