"""What /v1 says of usage and balances, for /openapi.json alone: nothing here is run by a request."""

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers

from accounts.models import Mode
from eggapi.errors import ValidationFailed
from eggapi.openapi import PAGES, TO_CALLERS, DollarField, PaginationSerializer, refusals


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
