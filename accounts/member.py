"""A person at the dashboard: for which account, in which mode, and what their role lets them do."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.contrib.sessions.backends.base import SessionBase
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django_htmx.http import HttpResponseClientRefresh

from accounts import visit
from accounts.caller import Caller, Terms
from accounts.models import Account, Membership, Mode, User

Role = Membership.Role
# What there is to be allowed, and to whom. Everybody of an account may look at everything of it.
ALLOWED = {
    "generate": {Role.OWNER, Role.ADMIN, Role.DEVELOPER},
    "keys": {Role.OWNER, Role.ADMIN, Role.DEVELOPER},
    "webhooks": {Role.OWNER, Role.ADMIN, Role.DEVELOPER},
    "money": {Role.OWNER, Role.ADMIN, Role.BILLING},
    "team": {Role.OWNER, Role.ADMIN},
    "account": {Role.OWNER},
}


@dataclass(frozen=True, slots=True)
class Member:
    user: User
    account: Account
    role: str
    mode: str
    is_visitor: bool = False

    def may(self, action: str) -> bool:
        """Whether the role allows one of ALLOWED; in a suspended account nothing is."""
        return self.role in ALLOWED[action] and self.account.suspended_at is None

    @property
    def allowed(self) -> dict[str, bool]:
        """For templates: {% if member.allowed.keys %}."""
        return {action: self.may(action) for action in ALLOWED}

    @property
    def caller(self) -> Caller:
        """The same account as /v1 sees it."""
        account = self.account
        terms = Terms(
            monthly_cap=account.monthly_cap,
            retention_days=account.retention_days,
            zero_retention=account.zero_retention,
        )
        return Caller(account.pk, self.mode, terms=terms)

    @property
    def is_test(self) -> bool:
        return self.mode == Mode.TEST


def member_of(user: User, session: SessionBase) -> Member | None:
    """Whom this session acts as: for the account chosen in it, else the person's first; None without any.

    An operator on a visit may look at everything and change nothing, as a reader may.
    """
    mode = session.get("mode", Mode.TEST)
    if account := visit.host(session, user):
        return Member(user, account, Role.READER, mode, is_visitor=True)
    memberships = Membership.objects.filter(user=user).select_related("account").order_by("pk")
    chosen = session.get("account")
    membership = memberships.filter(account_id=chosen).first() if chosen else None
    membership = membership or memberships.first()
    if membership is None:
        return None
    return Member(user, membership.account, membership.role, mode)


Page = Callable[..., HttpResponseBase]


def members_only(view: Page) -> Page:
    """A page of the dashboard: the view is called as `view(request, member, ...)`.

    Who is not signed in is led to the sign-in page, an operator without an account to the admin. Raises
    PermissionDenied for anybody else without one.
    """

    @wraps(view)
    @never_cache
    def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return _to_sign_in(request)
        member = member_of(request.user, request.session)
        if member is None:
            return _without_account(request)
        request.member = member  # type: ignore[attr-defined]  # for the frame around the page
        return view(request, member, *args, **kwargs)

    return page


def _to_sign_in(request: HttpRequest) -> HttpResponseBase:
    """htmx would put the sign-in page into a part of the page; there the whole page asks again."""
    if request.htmx:  # type: ignore[attr-defined]  # set by its middleware
        return HttpResponseClientRefresh()
    return redirect_to_login(request.get_full_path())


def _without_account(request: HttpRequest) -> HttpResponseBase:
    if not request.user.is_staff:
        raise PermissionDenied("You are in no account. Ask for an invitation.")
    messages.info(request, "You are in no account, so there is no dashboard for you.")
    return redirect("admin:index")


def require(member: Member, action: str) -> None:
    """Raises PermissionDenied unless the role allows it and the account is in use."""
    if member.account.suspended_at:
        raise PermissionDenied("This account is suspended.")
    if not member.may(action):
        raise PermissionDenied(f"Your role in this account ({member.role}) does not allow this.")
