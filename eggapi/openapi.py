"""/openapi.json: what drf-spectacular reads from the views, in the words of our envelope."""

from collections import defaultdict
from functools import cache
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers

from eggapi import pagination
from eggapi.envelope import base_url
from eggapi.errors import (
    ApiError,
    BadRequest,
    Forbidden,
    InternalError,
    PayloadTooLarge,
    RateLimited,
    ServiceUnavailable,
    Unauthorized,
    UnsupportedMediaType,
)

TO_ANYBODY = (RateLimited, InternalError, ServiceUnavailable)
TO_CALLERS = (Unauthorized, Forbidden, *TO_ANYBODY)
BODY_FAULTS = (BadRequest, PayloadTooLarge, UnsupportedMediaType)
CODES = sorted(error.code for error in ApiError.__subclasses__())
RETRY_AFTER = {"description": "Seconds to wait before the next try.", "schema": {"type": "integer"}}
REQUEST_ID = {"description": "What our log knows this request by.", "schema": {"type": "string"}}


class Schema(AutoSchema):
    """Puts what a view documents as its answer into the envelope, examples too."""

    def _get_parameters(self) -> list[dict[str, Any]]:
        """Everywhere under /v1 `?status=` is as if it were not there."""
        parameters: list[dict[str, Any]] = super()._get_parameters()
        return [each | {"allowEmptyValue": True} if each["in"] == "query" else each for each in parameters]

    def _get_response_for_code(
        self, serializer: Any, status_code: str, media_types: Any = None, direction: Any = "response"
    ) -> dict[str, Any]:
        response: dict[str, Any] = super()._get_response_for_code(serializer, status_code, media_types, direction)  # type: ignore[no-untyped-call]
        response["headers"] = {**response.get("headers", {}), "X-Request-Id": REQUEST_ID}
        if status_code in ("429", "503"):
            response["headers"]["Retry-After"] = RETRY_AFTER
        if status_code < "300" and (content := response.get("content", {}).get("application/json")):
            content["schema"] = enveloped(content["schema"])
            for example in content.get("examples", {}).values():
                example["value"] = {"data": example["value"], "error": None}
        return response


def optional_may_be_null(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Everywhere under /v1 a field of a request that is null is as if it were not there."""
    for name, schema in result["components"]["schemas"].items():
        if name.endswith("Request"):
            for field in schema["properties"].keys() - set(schema.get("required", ())):
                schema["properties"][field] = {"anyOf": [schema["properties"][field], {"type": "null"}]}
    return result


def enveloped(data: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"data": data, "error": {"type": "null"}},
        "required": ["data", "error"],
    }


@extend_schema_field({"type": "null"})
class NullField(serializers.Field):
    pass


@extend_schema_field({"type": "string", "pattern": r"^-?\$\d+\.\d{2,6}$", "examples": ["$0.0100"]})
class DollarField(serializers.Field):
    """ "$0.00" for nothing, else four decimals, or six."""


class ErrorSerializer(serializers.Serializer):
    code = serializers.ChoiceField(CODES)
    message = serializers.CharField(help_text="A sentence for people; programs go by the code.")
    fields = serializers.DictField(  # type: ignore[assignment]  # a serializer has a property of that name
        child=serializers.CharField(), required=False, help_text="What is wrong with which field."
    )
    request_id = serializers.CharField(help_text="Also in the X-Request-Id header.")
    docs_url = serializers.URLField()


class RefusalSerializer(serializers.Serializer):
    data = NullField()  # type: ignore[assignment]  # as above
    error = ErrorSerializer()


class PaginationSerializer(serializers.Serializer):
    page = serializers.IntegerField(min_value=1)
    per_page = serializers.IntegerField(min_value=1, max_value=pagination.MOST_PER_PAGE)
    total = serializers.IntegerField(min_value=0)
    total_pages = serializers.IntegerField(min_value=0)


PAGES = [
    OpenApiParameter("page", {"type": "integer", "minimum": 1, "maximum": pagination.DEEPEST_OFFSET + 1, "default": 1}),
    OpenApiParameter(
        "per_page",
        {"type": "integer", "minimum": 1, "maximum": pagination.LARGEST, "default": pagination.PER_PAGE},
        description=f"At most {pagination.MOST_PER_PAGE}; more is taken for {pagination.MOST_PER_PAGE}.",
    ),
    OpenApiParameter("created_after", {"type": "string", "format": "date-time"}, description="Exclusive."),
    OpenApiParameter(
        "created_before",
        {"type": "string", "format": "date-time"},
        description=f"Exclusive. The way on where a page would start beyond {pagination.DEEPEST_OFFSET:,} items.",
    ),
]


def operation(tag: str, operation_id: str, summary: str, description: str, **more: Any) -> Any:
    return extend_schema(operation_id=operation_id, tags=[tag], summary=summary, description=description, **more)


def answer(status: int, serializer: Any, description: str, example: Any) -> dict[int, OpenApiResponse]:
    examples = [OpenApiExample("answer", example, status_codes=[status])]
    return {status: OpenApiResponse(serializer, description=description, examples=examples)}


def refusals(*errors: type[ApiError]) -> dict[int, OpenApiResponse]:
    """The responses of these errors, by status, with an example of each code."""
    by_status: dict[int, list[type[ApiError]]] = defaultdict(list)
    for error in errors:
        by_status[error.status].append(error)
    return {
        status: OpenApiResponse(
            RefusalSerializer,
            description=" or ".join(error.code for error in same),
            examples=[OpenApiExample(error.code, refusal(error), status_codes=[status]) for error in same],
        )
        for status, same in sorted(by_status.items())
    }


def refusal(error: type[ApiError]) -> dict[str, Any]:
    fields = {"fields": {"num_outputs": "must be from 1 to 4"}} if error.code == "VALIDATION_ERROR" else {}
    return {
        "data": None,
        "error": {
            "code": error.code,
            "message": "num_outputs: must be from 1 to 4" if fields else error.message,
            **fields,
            "request_id": "req_h3k9x2m5q8w1z7c4v6b0",
            "docs_url": f"https://api.example.com/docs/errors#{error.code.lower()}",
        },
    }


@cache
def document() -> dict[str, Any]:
    """The whole description, without `servers`."""
    description: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return description


@require_safe
def openapi_json(request: HttpRequest) -> HttpResponse:
    """GET /openapi.json: OpenAPI 3.1, for the address it was asked for at."""
    body = orjson.dumps({**document(), "servers": [{"url": base_url(request)}]})
    return HttpResponse(body, content_type="application/json", headers={"Cache-Control": "public, max-age=300"})
