"""/v1/account: an account as a whole, for somebody signed in to the dashboard."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import SessionView
from accounts.models import Account, Export, Membership
from eggapi import clock
from eggapi.envelope import base_url
from eggapi.errors import Forbidden, NotFound
from eggapi.serving import account_openapi as openapi
from generation import closure, export, storage


class AccountView(SessionView):
    @property
    def owned(self) -> Account:
        """Raises Forbidden for those who do not own the account."""
        if self.member.role != Membership.Role.OWNER:
            raise Forbidden("Only an owner of the account may do this.")
        return self.account


class AccountExport(AccountView):
    """GET and POST /v1/account/export: 202 while it is being made, 200 with its address once it is there.

    Errors: 403 FORBIDDEN for members who are no owners, 404 NOT_FOUND where there is none.
    """

    @openapi.export_detail
    def get(self, request: Request) -> Response:
        made = Export.objects.filter(account=self.owned).first()
        if made is None:
            raise NotFound("There is no export. Ask for one first.")
        return self._answer(made)

    @openapi.export_make
    def post(self, request: Request) -> Response:
        return self._answer(export.ask(self.owned, self.person))

    def _answer(self, made: Export) -> Response:
        body: dict[str, Any] = {"requested_at": clock.iso(made.requested_at)}
        if not (made.made_at and made.expires_at):
            return Response({"status": "pending", **body}, status=202)
        body |= {"made_at": clock.iso(made.made_at), "expires_at": clock.iso(made.expires_at), "bytes": made.bytes}
        url = storage.signed_url_of(made.path, made.expires_at, base_url(self.request._request))
        return Response({"status": "ready", **body, "url": url})


class AccountDelete(AccountView):
    """POST /v1/account/delete: shuts the keys out at once, and empties the account in seven days."""

    @openapi.account_delete
    def post(self, request: Request) -> Response:
        return closing(closure.ask(self.owned, self.person))


class AccountKeep(AccountView):
    """POST /v1/account/delete/cancel: takes it back, as long as the seven days are not over."""

    @openapi.account_keep
    def post(self, request: Request) -> Response:
        return closing(closure.take_back(self.owned, self.person))


def closing(account: Account) -> Response:
    return Response({"delete_at": clock.iso(account.delete_at) if account.delete_at else None})
