"""/v1 for money: usage and balance with an API key only, the rest only for somebody signed in."""

from typing import Any

from django.db.models import Sum
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts import limits
from accounts.api import SessionView, V1View
from accounts.models import ApiKey, Mode
from billing import fields, openapi, redeem, statement, topup
from billing.models import DailyUsage, UsageRecord, Wallet
from billing.redeem import Refused
from billing.serializers import balance_body, summary_body, topup_body, usage_body
from eggapi import money, pagination
from eggapi.envelope import base_url
from eggapi.errors import ValidationFailed
from eggapi.ratelimit import Limit

REDEMPTIONS = Limit(10, 60, name="redeem")
REDEMPTIONS_PER_ADDRESS = Limit(20, 60, name="redeem")
TOPUPS = Limit(10, 60, name="topup")
STATEMENTS = Limit(10, 60, name="statement")  # each reads a whole month


class UsageList(V1View):
    """GET /v1/usage: a record per completed task, newest first, as {"items", "pagination"}.

    `page`, `per_page`; `created_after`, `created_before` (ISO 8601), with which a total is exact up to
    10,000. Errors: 400 VALIDATION_ERROR.
    """

    scope = ApiKey.Scope.USAGE_READ

    @openapi.usage_list
    def get(self, request: Request) -> Response:
        page = pagination.read(request.query_params)
        period = pagination.period(request.query_params)
        own = {"account_id": self.caller.account_id, "mode": self.caller.mode}
        records = UsageRecord.objects.filter(**own, **period)
        # Every record counted once in its day: the days are few where the records are millions.
        days = DailyUsage.objects.filter(**own)
        total = pagination.count(records) if period else days.aggregate(total=Sum("requests"))["total"] or 0
        rows = records.order_by("-created_at", "-id")[page.slice]
        return Response(page.body([usage_body(record) for record in rows], total))


class UsageSummary(V1View):
    """GET /v1/usage/summary: totals per model, a bare array."""

    scope = ApiKey.Scope.USAGE_READ

    @openapi.usage_summary
    def get(self, request: Request) -> Response:
        days = DailyUsage.objects.filter(account_id=self.caller.account_id, mode=self.caller.mode)
        rows = (
            days.order_by("model")
            .values("model")
            .annotate(total_units=Sum("units"), total_cost=Sum("cost"), request_count=Sum("requests"))
        )
        return Response([summary_body(row) for row in rows])


class Balance(V1View):
    """GET /v1/balance: {"mode", "available", "held"} in dollars."""

    scope = ApiKey.Scope.USAGE_READ

    @openapi.balance
    def get(self, request: Request) -> Response:
        wallet_id = Wallet.id_of(self.caller.account_id, self.caller.mode)
        return Response(balance_body(Wallet.objects.get(pk=wallet_id)))


class PersonView(SessionView):
    """A key cannot move money in, or see the books."""

    needs = "money"


class Redeem(PersonView):
    """POST /v1/redeem {"code": "EGG-..."}: puts what a code is worth into the live wallet.

    Every attempt counts against two limits, so that nobody guesses for long. Errors: 400 VALIDATION_ERROR.
    """

    limit = REDEMPTIONS

    @openapi.redeem
    def post(self, request: Request) -> Response:
        body: dict[str, Any] = request.data  # type: ignore[assignment]  # StrictJSONParser makes nothing else
        limits.count_by_address(request._request, REDEMPTIONS_PER_ADDRESS)
        try:
            entry = redeem.redeem(self.account, fields.code(body))
        except Refused as refused:
            raise ValidationFailed({"code": str(refused)}) from None
        wallet = Wallet.objects.get(pk=entry.wallet_id)
        return Response({"amount": money.display(entry.amount), "balance": balance_body(wallet)})


class TopUps(PersonView):
    """POST /v1/topups {"amount": "20.00"}: an order, and the address where it is paid into the live wallet.

    Errors: 400 VALIDATION_ERROR, 404 where the operator takes no cards, 503 while Stripe does not answer.
    """

    limit = TOPUPS

    @openapi.topup
    def post(self, request: Request) -> Response:
        body: dict[str, Any] = request.data  # type: ignore[assignment]  # StrictJSONParser makes nothing else
        back_to = f"{base_url(request._request)}/billing"
        order, url = topup.order(self.account, fields.amount(body), self.person.email, back_to)
        return Response(topup_body(order, url), status=201)


class StatementCSV(PersonView):
    """GET /v1/statements/{month}.csv: the account's month in the chosen mode, an entry a line.

    Errors: 404 for what is no month and for one that has not begun, 429 after ten in a minute.
    """

    limit = STATEMENTS

    @openapi.statement_csv
    def get(self, request: Request, month: str) -> HttpResponseBase:
        found = statement.of(self.account, Mode(self.caller.mode), month)
        return StreamingHttpResponse(statement.as_csv(found), headers=_download(found.name, "csv", "text/csv"))


class StatementPDF(PersonView):
    """GET /v1/statements/{month}.pdf: the same, with the tasks of a day in one line."""

    limit = STATEMENTS

    @openapi.statement_pdf
    def get(self, request: Request, month: str) -> HttpResponseBase:
        from billing import paper  # its library takes 5 MB, which is for those who need it

        found = statement.of(self.account, Mode(self.caller.mode), month)
        return HttpResponse(paper.print_out(found), headers=_download(found.name, "pdf", "application/pdf"))


def _download(name: str, extension: str, content_type: str) -> dict[str, str]:
    return {
        "Content-Type": content_type,
        "Content-Disposition": f'attachment; filename="{name}.{extension}"',
        "Cache-Control": "no-store",
    }


class StripeWebhook(APIView):
    """POST /stripe/webhook: Stripe says that something has happened to a payment."""

    authentication_classes = ()
    permission_classes = ()
    http_method_names = ["post"]
    schema = None  # this is not for customers

    def post(self, request: Request) -> Response:
        topup.hear(request._request.body, request.headers.get("Stripe-Signature", ""))
        return Response({"received": True})
