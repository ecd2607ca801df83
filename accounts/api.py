"""What every view under /v1 has in common, and the views for keys."""

from typing import Any, ClassVar, NoReturn, cast

from django.core.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import fields, keyring, limits, openapi, refusals, terms
from accounts.authentication import BearerKey, SessionCaller
from accounts.caller import Caller, caller_of
from accounts.limits import READS, REPORTS
from accounts.member import Member, require
from accounts.models import Account, ApiKey, User
from accounts.serializers import key_body
from eggapi import clock, pagination
from eggapi.errors import Forbidden, NotFound, RateLimited, Unauthorized, ValidationFailed
from eggapi.ratelimit import Limit

NO_STORE = {"Cache-Control": "no-store"}


class V1View(APIView):
    """Authenticates, then counts the request against `limit`, and says so in the reply's headers.

    Keys only, unless a view says otherwise: `authentication_classes = (BearerKey, SessionCaller)` takes
    both; an empty tuple there and in `permission_classes` makes a public view, counted per address. A key
    with scopes is let in where `scope` is one of them; somebody signed in may do more than look where the
    role in the account allows what the view `needs`.
    """

    limit: ClassVar[Limit] = READS
    scope: ClassVar[str] = ""
    needs: ClassVar[str] = "account"
    known: Caller | None = None

    @property
    def caller(self) -> Caller:
        caller = caller_of(self.request)
        assert caller is not None, "a public view has no caller"
        return caller

    @property
    def member(self) -> Member:
        """Whom SessionCaller let in."""
        return cast(Member, self.request._request.member)  # type: ignore[attr-defined]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.known = caller_of(request)
        self.headers.update(limits.count(request, self.limit))
        if self.known:
            terms.require_scope(self.known, self.scope)
        if isinstance(request.auth, User) and request.method not in SAFE_METHODS:
            self._require_role()

    def _require_role(self) -> None:
        """Raises Forbidden, in the words that a page would use."""
        try:
            require(self.member, self.needs)
        except PermissionDenied as denied:
            raise Forbidden(str(denied)) from None

    def handle_exception(self, exc: Exception) -> Response:
        if self.known and isinstance(exc, RateLimited):
            refusals.note(self.known)
        return super().handle_exception(exc)

    def permission_denied(self, request: Request, message: str | None = None, code: str | None = None) -> NoReturn:
        if caller_of(request) is None:
            self.headers.update(limits.count(request, READS))
            takes_keys = BearerKey in self.authentication_classes
            raise Unauthorized("Missing Authorization header" if takes_keys else "Sign in to the dashboard first")
        super().permission_denied(request, message, code)


class SessionView(V1View):
    """For somebody signed in to the dashboard. No key gets in."""

    authentication_classes = (SessionCaller,)

    @property
    def person(self) -> User:
        return self.member.user

    @property
    def account(self) -> Account:
        return self.member.account


class KeyView(SessionView):
    """A key cannot make, change or see keys."""

    needs = "keys"

    def key(self, key_id: int) -> ApiKey:
        """One of the account's own, of either mode. Raises NotFound."""
        key = ApiKey.objects.select_related("account").filter(pk=key_id, account=self.caller.account_id).first()
        if key is None:
            raise NotFound("There is no such key.")
        return key

    def shown(self, key_id: int) -> dict[str, Any]:
        return key_body(self.key(key_id), clock.now())


class KeyList(KeyView):
    """GET, POST /v1/keys: those of the account in the chosen mode, newest first, as a page; makes one."""

    @openapi.key_list
    def get(self, request: Request) -> Response:
        page = pagination.read(request.query_params)
        own = ApiKey.objects.filter(
            account=self.caller.account_id, mode=self.caller.mode, **pagination.period(request.query_params)
        )
        now = clock.now()
        return Response(page.body([key_body(key, now) for key in own.order_by("-pk")[page.slice]], own.count()))

    @openapi.key_make
    def post(self, request: Request) -> Response:
        body: dict[str, Any] = request.data  # type: ignore[assignment]  # StrictJSONParser makes nothing else
        key, text = keyring.make(self.account, self.caller.mode, fields.read(body), self.person)
        return Response(key_body(key, clock.now(), text), status=201, headers=NO_STORE)


class KeyRoll(KeyView):
    """POST /v1/keys/{id}/roll {"overlap": "24h"}: a new key; the old one works for so much longer."""

    @openapi.key_roll
    def post(self, request: Request, key_id: int) -> Response:
        body: dict[str, Any] = request.data  # type: ignore[assignment]  # StrictJSONParser makes nothing else
        key, text = keyring.roll(self.key(key_id), fields.overlap(body), self.person)
        return Response(key_body(key, clock.now(), text), status=201, headers=NO_STORE)


class KeyDisable(KeyView):
    """POST /v1/keys/{id}/disable: answers 200 with the key as it now is, like the two below."""

    @openapi.key_disable
    def post(self, request: Request, key_id: int) -> Response:
        keyring.disable(self.key(key_id), self.person)
        return Response(self.shown(key_id))


class KeyEnable(KeyView):
    """POST /v1/keys/{id}/enable"""

    @openapi.key_enable
    def post(self, request: Request, key_id: int) -> Response:
        keyring.enable(self.key(key_id), self.person)
        return Response(self.shown(key_id))


class KeyRevoke(KeyView):
    """POST /v1/keys/{id}/revoke"""

    @openapi.key_revoke
    def post(self, request: Request, key_id: int) -> Response:
        keyring.revoke(self.key(key_id), self.person)
        return Response(self.shown(key_id))


class KeyRevokeAll(KeyView):
    """POST /v1/keys/revoke_all: every key of the account, of both modes."""

    @openapi.key_revoke_all
    def post(self, request: Request) -> Response:
        return Response({"revoked": keyring.revoke_all(self.account, self.person)})


class KeyReport(V1View):
    """POST /v1/keys/report {"key": "egg_live_..."}: for whoever finds one. Tells nothing but whether it was valid."""

    authentication_classes = ()
    permission_classes = ()
    limit = REPORTS

    @openapi.key_report
    def post(self, request: Request) -> Response:
        body: dict[str, Any] = request.data  # type: ignore[assignment]  # StrictJSONParser makes nothing else
        text = body.get("key")
        if not isinstance(text, str):
            raise ValidationFailed({"key": "must be a string"})
        return Response({"revoked": keyring.report(text.strip())})
