"""/v1 for usage and balance: with an API key only."""

from django.db.models import Sum
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import V1View
from billing import openapi
from billing.models import DailyUsage, UsageRecord, Wallet
from billing.serializers import balance_body, summary_body, usage_body
from eggapi import pagination


class UsageList(V1View):
    """GET /v1/usage: a record per completed task, newest first, as {"items", "pagination"}.

    `page`, `per_page`; `created_after`, `created_before` (ISO 8601), with which a total is exact up to
    10,000. Errors: 400 VALIDATION_ERROR.
    """

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

    @openapi.balance
    def get(self, request: Request) -> Response:
        wallet_id = Wallet.id_of(self.caller.account_id, self.caller.mode)
        return Response(balance_body(Wallet.objects.get(pk=wallet_id)))
