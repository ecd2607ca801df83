"""Who is calling: a bearer key, or a person signed in to the dashboard.

Views see the same Caller for both, as `request.user`; `request.auth` is the UsableKey, or the User.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import NoReturn

from django.db import DatabaseError
from django.db.models import Q
from django.db.models.functions import Now
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

from accounts import keys, limits, terms
from accounts.caller import Caller
from accounts.keys import UsableKey
from accounts.member import member_of
from accounts.models import ApiKey, User
from eggapi import errors

log = logging.getLogger("eggapi.accounts")

MALFORMED = "Invalid Authorization format, expected 'Bearer <token>'"
INVALID = "Invalid API key"
SUSPENDED = "This account is suspended."


class BearerKey(BaseAuthentication):
    """`Authorization: Bearer egg_live_...`.

    Raises Unauthorized for anything in that header but a usable key, in the same words whether it is
    unknown, revoked, disabled or expired; RateLimited after too many of those from one address; Forbidden
    for a suspended account, and from an address that the key is not for. A database that does not answer
    is no reason to refuse a key: its exception passes through.
    """

    def authenticate(self, request: Request) -> tuple[Caller, UsableKey] | None:
        header = request.META.get("HTTP_AUTHORIZATION")
        if not header:
            return None
        scheme, _, text = header.partition(" ")
        text = text.strip()
        if scheme.lower() != "bearer" or not text or " " in text:
            refuse(request, MALFORMED)
        key = keys.find(text) if keys.looks_right(text) else None
        if key is None:
            refuse(request, INVALID)
        caller = Caller(key.account_id, key.mode, key.id, key.terms)
        with counted(request):
            admit(request, caller, suspended=key.suspended)
            terms.require_address(caller, request._request)
        if key.idle:
            touch(key.id)
        return caller, key

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class SessionCaller(SessionAuthentication):
    """The dashboard's session, with its CSRF token, in the mode chosen there (test unless changed).

    A request with an Authorization header is left to BearerKey. Raises Forbidden without the token, and for a
    suspended account; RateLimited after too many of those.
    """

    def authenticate(self, request: Request) -> tuple[Caller, User] | None:
        person = request._request.user
        if request.META.get("HTTP_AUTHORIZATION") or not isinstance(person, User):
            return None
        member = member_of(person, request._request.session)
        if member is None:
            return None
        request._request.member = member  # type: ignore[attr-defined]  # as the pages do
        caller = member.caller
        with counted(request):
            self.enforce_csrf(request._request)  # type: ignore[arg-type]  # the one whose form is not parsed yet
            admit(request, caller, suspended=member.account.suspended_at is not None)
        return caller, person


def refuse(request: Request, message: str) -> NoReturn:
    """Raises Unauthorized, or RateLimited where this address has failed too often."""
    headers = limits.count_failure(request)
    error = errors.Unauthorized(message)
    error.headers.update(headers)
    raise error


@contextmanager
def counted(request: Request) -> Iterator[None]:
    """Who is known and refused nonetheless is counted by address like who is not. Raises Forbidden, RateLimited."""
    try:
        yield
    except (errors.Forbidden, PermissionDenied) as refusal:
        error = refusal if isinstance(refusal, errors.Forbidden) else errors.Forbidden(str(refusal.detail))
        error.headers.update(limits.count_failure(request))
        raise error from None


def admit(request: Request, caller: Caller, *, suspended: bool) -> None:
    """Names the caller in the request's log line. Raises Forbidden."""
    request._request.log_fields = {"account": caller.account_id, "key": caller.key_id}  # type: ignore[attr-defined]
    if suspended:
        raise errors.Forbidden(SUSPENDED)


def touch(key_id: int) -> None:
    """Notes that the key was used, at most once a minute. A full disk must not stop those who only read."""
    over_a_minute_ago = Q(last_used_at=None) | Q(last_used_at__lt=Now() - timedelta(minutes=1))
    try:
        ApiKey.objects.filter(over_a_minute_ago, pk=key_id).update(last_used_at=Now())
    except DatabaseError as error:
        log.warning("last use of a key not noted", extra={"key": key_id, "error_type": type(error).__name__})
