"""The one shape of every JSON answer: {"data": ..., "error": null} or {"data": null, "error": {...}}.

Made here and nowhere else, for views, unknown addresses, unreadable bodies and crashes alike.
"""

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import orjson
from django.conf import settings
from django.core.exceptions import DisallowedHost, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.template.loader import render_to_string
from psycopg_pool import PoolTimeout
from rest_framework import exceptions as drf
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from eggapi import errors
from eggapi.theme import theme_of

log = logging.getLogger("eggapi.api")

LARGEST_BODY = 1024 * 1024
DEEPEST_NESTING = 64
DATABASE_AWAY = (OperationalError, InterfaceError, PoolTimeout)


TITLES = {
    400: "That request made no sense to us",
    403: "This is not for you",
    404: "There is nothing here",
    429: "Too many attempts",
    500: "Something went wrong on our side",
    503: "Back in a moment",
}


class EnvelopeRenderer(BaseRenderer):
    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        response = (renderer_context or {}).get("response")
        if response is not None and response.exception:
            return orjson.dumps({"data": None, "error": data})
        return orjson.dumps({"data": data, "error": None})


class AlwaysJSON(BaseContentNegotiation):
    """Whatever the Accept header or a `format` parameter says, the answer is JSON."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        content_type = request.content_type.partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == content_type), None)

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class StrictJSONParser(BaseParser):
    """A JSON object of at most 1 MiB and 64 levels, without NaN and Infinity."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> dict[str, Any]:
        declared = stream.META.get("CONTENT_LENGTH") or "0" if hasattr(stream, "META") else "0"
        if declared.isdecimal() and int(declared) > LARGEST_BODY:
            raise errors.PayloadTooLarge
        body = stream.read(LARGEST_BODY + 1)
        if len(body) > LARGEST_BODY:
            raise errors.PayloadTooLarge
        value = loads(body)
        if not isinstance(value, dict):
            raise errors.BadRequest("The body must be a JSON object.")
        return value


def loads(body: bytes) -> Any:
    """The value of a JSON text. Raises BadRequest.

    A lone surrogate is let through here, so that the field that holds it can be named.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = _loads_lenient(body)
    if body.count(b"[") + body.count(b"{") > DEEPEST_NESTING and _depth(value) > DEEPEST_NESTING:
        raise errors.BadRequest(f"The JSON is nested more than {DEEPEST_NESTING} levels deep.")
    return value


def _loads_lenient(body: bytes) -> Any:
    try:
        return json.loads(body.decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise errors.BadRequest("The body is not valid JSON.") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level and depth <= DEEPEST_NESTING:
        depth += 1
        level = [child for parent in level for child in _children(parent)]
        if not any(isinstance(child, (dict, list)) for child in level):
            break
    return depth


def _children(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def as_api_error(exception: BaseException) -> errors.ApiError:
    """The answer to any exception; one that nobody expected is logged and becomes a 500."""
    match exception:
        case errors.ApiError():
            return exception
        case drf.NotAuthenticated() | drf.AuthenticationFailed():
            return errors.Unauthorized()
        case drf.MethodNotAllowed():
            return errors.MethodNotAllowed()
        case drf.UnsupportedMediaType():
            return errors.UnsupportedMediaType()
        case RequestDataTooBig():
            return errors.PayloadTooLarge()
        case drf.ParseError() | SuspiciousOperation() | MultiPartParserError() | UnreadablePostError():
            return errors.BadRequest()
        case drf.PermissionDenied() | PermissionDenied():
            return errors.Forbidden()
        case Http404() | drf.NotFound():
            return errors.NotFound()
    if isinstance(exception, DATABASE_AWAY):
        log.error("database unavailable", exc_info=exception)
        return errors.ServiceUnavailable()
    log.error("unexpected exception", exc_info=exception)
    return errors.InternalError()


def error_body(error: errors.ApiError, request: HttpRequest | None) -> dict[str, Any]:
    """{"code", "message", "fields"?, "request_id", "docs_url"}"""
    fields = {"fields": error.fields} if error.fields else {}
    return {
        "code": error.code,
        "message": error.message,
        **fields,
        "request_id": getattr(request, "request_id", ""),
        "docs_url": f"{base_url(request)}/docs/errors#{error.code.lower()}",
    }


def exception_handler(exception: Exception, context: Mapping[str, Any]) -> Response:
    """REST framework's hook: every exception of an API view ends here."""
    error = as_api_error(exception)
    request = context["request"]._request
    headers = dict(error.headers)
    if isinstance(exception, drf.MethodNotAllowed):
        headers["Allow"] = ", ".join(context["view"].allowed_methods)
    return Response(error_body(error, request), status=error.status, headers=headers)


def error_response(error: errors.ApiError, request: HttpRequest) -> HttpResponse:
    """The same answer outside of API views."""
    body = orjson.dumps({"data": None, "error": error_body(error, request)})
    return HttpResponse(body, status=error.status, content_type="application/json", headers=error.headers)


def base_url(request: HttpRequest | None = None) -> str:
    """Where people reach us: EGGAPI_PUBLIC_URL, else the address this request came in by."""
    if settings.EGGAPI_PUBLIC_URL or request is None:
        return settings.EGGAPI_PUBLIC_URL or settings.EGGAPI_LOCAL_URL
    try:
        return f"{request.scheme}://{request.get_host()}"
    except DisallowedHost:  # nonsense: it must not spoil the answer that says what else is wrong
        return settings.EGGAPI_LOCAL_URL


# -- Django's handlers: people get a page, programs the envelope --------------------------------------


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler404."""
    return answer(errors.NotFound(), request)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500, called while the exception is being handled."""
    return answer(as_api_error(sys.exc_info()[1] or errors.InternalError()), request)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler400: a host we do not serve, a broken header."""
    return answer(errors.BadRequest(), request)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler403. What a page says in its PermissionDenied is for people."""
    return answer(errors.Forbidden(), request, str(exception))


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Django's CSRF_FAILURE_VIEW."""
    return answer(errors.Forbidden(), request, "This form is too old. Go back, load the page again, and send it again.")


def answer(error: errors.ApiError, request: HttpRequest, said: str = "") -> HttpResponse:
    """The error as a page where a person asked for one, which needs neither database nor session."""
    wants_page = "text/html" in request.headers.get("Accept", "") and not request.path.startswith("/v1/")
    if not wants_page:
        return error_response(error, request)
    fault = {
        "status": error.status,
        "title": TITLES.get(error.status, "Something went wrong"),
        "text": said or error.message,
        "request_id": getattr(request, "request_id", ""),
        "theme": theme_of(request),
    }
    return HttpResponse(render_to_string("fault.html", fault), status=error.status, headers=error.headers)
