"""What /v1 says of money, for /openapi.json alone: nothing here is run by a request."""

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers

from accounts.models import Mode
from billing import fields
from billing.models import TopUp
from eggapi.errors import NotFound, ValidationFailed
from eggapi.openapi import BODY_FAULTS, PAGES, TO_CALLERS, DollarField, PaginationSerializer, refusals


class UsageSerializer(serializers.Serializer):
    id = serializers.RegexField(r"^use_[a-z0-9]{24}$")
    task_id = serializers.RegexField(r"^gen_[a-z0-9]{24}$")
    model = serializers.CharField()
    type = serializers.CharField()
    units = serializers.IntegerField(min_value=1, help_text="Pictures.")
    unit_price = DollarField()
    cost = DollarField()
    created_at = serializers.DateTimeField()


class UsagePageSerializer(serializers.Serializer):
    items = UsageSerializer(many=True)
    pagination = PaginationSerializer()


class UsageSummarySerializer(serializers.Serializer):
    model = serializers.CharField()
    total_units = serializers.IntegerField(min_value=1, help_text="Pictures.")
    total_cost = DollarField()
    request_count = serializers.IntegerField(min_value=1)


class BalanceSerializer(serializers.Serializer):
    mode = serializers.ChoiceField(Mode.choices)
    available = DollarField(help_text="What can be spent.")
    held = DollarField(help_text="What is promised to tasks that have not ended.")


class RedeemCodeSerializer(serializers.Serializer):
    code = serializers.CharField(min_length=1, max_length=fields.LONGEST_CODE, help_text="As it was written down.")


class RedeemedSerializer(serializers.Serializer):
    amount = DollarField(help_text="What the code was worth.")
    balance = BalanceSerializer(help_text="The live one, after it.")


class NewTopUpSerializer(serializers.Serializer):
    amount = serializers.CharField(help_text="Dollars, whole cents, from 5.00 to 1000.00.")


class TopUpSerializer(serializers.Serializer):
    id = serializers.RegexField(r"^top_[a-z0-9]{24}$")
    amount = DollarField()
    state = serializers.ChoiceField(TopUp.State.choices)
    url = serializers.URLField(help_text="Where it is paid, by card, at Stripe.")
    created_at = serializers.DateTimeField()


PAGE = {
    "items": [
        {
            "id": "use_4k2m9x7q1w8e5r3t6y0u2i4o",
            "task_id": "gen_4k2m9x7q1w8e5r3t6y0u2i4o",
            "model": "nanobanana",
            "type": "image_generate",
            "units": 1,
            "unit_price": "$0.0100",
            "cost": "$0.0100",
            "created_at": "2026-05-08T10:30:12.000Z",
        }
    ],
    "pagination": {"page": 1, "per_page": 20, "total": 1, "total_pages": 1},
}
SUMMARY = {"model": "nanobanana", "total_units": 1, "total_cost": "$0.0100", "request_count": 1}
BALANCE = {"mode": "live", "available": "$4.9740", "held": "$0.0260"}

usage_list = extend_schema(
    operation_id="list_usage",
    tags=["Usage"],
    summary="List usage records",
    description="A record per completed task, the newest first. With a period a total is exact up to 10,000.",
    parameters=PAGES,
    responses={
        200: OpenApiResponse(UsagePageSerializer, description="A page.", examples=[OpenApiExample("page", PAGE)]),
        **refusals(ValidationFailed, *TO_CALLERS),
    },
)

usage_summary = extend_schema(
    operation_id="summarize_usage",
    tags=["Usage"],
    summary="Sum up usage",
    description="Totals per model.",
    responses={
        200: OpenApiResponse(
            UsageSummarySerializer(many=True), description="By model.", examples=[OpenApiExample("summary", SUMMARY)]
        ),
        **refusals(*TO_CALLERS),
    },
)

balance = extend_schema(
    operation_id="get_balance",
    tags=["Balance"],
    summary="Get the balance",
    description="Of the mode of the key.",
    responses={
        200: OpenApiResponse(BalanceSerializer, description="Now.", examples=[OpenApiExample("balance", BALANCE)]),
        **refusals(*TO_CALLERS),
    },
)

REDEEMED = {"amount": "$5.0000", "balance": {"mode": "live", "available": "$9.9740", "held": "$0.0260"}}
TOPUP = {
    "id": "top_4k2m9x7q1w8e5r3t6y0u2i4o",
    "amount": "$20.0000",
    "state": "open",
    "url": "https://checkout.stripe.com/c/pay/cs_live_a1b2c3",
    "created_at": "2026-05-08T10:30:12.000Z",
}
STATEMENT = """Statement,"EggAPI, November 2026"
Period,"2026-11-01T00:00:00.000Z to 2026-12-01T00:00:00.000Z, time zone UTC"
Account,ann@example.com
Billing name,Ann's Pictures Ltd
VAT number,IE1234567AB
Balance,"live, US dollars"

Time (UTC),Kind,Description,Amount (USD),Balance (USD)
2026-11-01T00:00:00.000Z,,Opening balance,,4.974000
2026-11-21T10:30:12.000Z,capture,Task gen_4k2m9x7q1w8e5r3t6y0u2i4o,-0.010000,4.964000
2026-12-01T00:00:00.000Z,,Closing balance,,4.964000
,,Total in,0.000000,
,,Total out,-0.010000,
"""

redeem = extend_schema(
    operation_id="redeem_code",
    tags=["Balance"],
    summary="Redeem a code",
    description="Adds what it is worth to the live balance, once per account. Attempts are limited.",
    request=RedeemCodeSerializer,
    examples=[OpenApiExample("code", {"code": "EGG-7M2K-9QXA-0WTD-B4ZE"}, request_only=True)],
    responses={
        200: OpenApiResponse(
            RedeemedSerializer,
            description="Redeemed.",
            examples=[OpenApiExample("redeemed", REDEEMED, response_only=True)],
        ),
        **refusals(ValidationFailed, *BODY_FAULTS, *TO_CALLERS),
    },
)

topup = extend_schema(
    operation_id="top_up",
    tags=["Balance"],
    summary="Top up the balance",
    description="Orders a payment, which is made at Stripe. What was paid is added to the live balance.",
    request=NewTopUpSerializer,
    examples=[OpenApiExample("twenty dollars", {"amount": "20.00"}, request_only=True)],
    responses={
        201: OpenApiResponse(
            TopUpSerializer,
            description="Ordered.",
            examples=[OpenApiExample("ordered", TOPUP, response_only=True, status_codes=[201])],
        ),
        **refusals(ValidationFailed, NotFound, *BODY_FAULTS, *TO_CALLERS),
    },
)


def statement(form: str, content_type: str, response: Any, example: str) -> Any:
    return extend_schema(
        operation_id=f"get_statement_{form}",
        tags=["Balance"],
        summary=f"Get the statement of a month as {form.upper()}",
        description="Of the mode chosen in the dashboard, in UTC. From opening to closing balance.",
        parameters=[MONTH],
        responses={
            (200, content_type): OpenApiResponse(
                response,
                description="The file.",
                examples=[OpenApiExample("statement", example, media_type=content_type)],
            ),
            **refusals(NotFound, *TO_CALLERS),
        },
    )


MONTH = OpenApiParameter(
    "month", {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}$"}, OpenApiParameter.PATH, description="Such as 2026-11."
)
statement_csv = statement("csv", "text/csv", OpenApiTypes.STR, STATEMENT)
statement_pdf = statement("pdf", "application/pdf", OpenApiTypes.BINARY, "%PDF-1.4")
