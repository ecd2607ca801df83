"""Views that end badly, as the message of `fail_with` says."""

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path
from psycopg_pool import PoolTimeout
from rest_framework import exceptions as drf
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import V1View
from eggapi import envelope, errors

SECRET = "egg_live_0123456789ABCDEFGHIJabcdefghij000000 with Bearer abcdef and whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
FAILURES: dict[str, Exception] = {
    "unexpected": RuntimeError(f"the prompt was: {SECRET}"),
    "constraint": DatabaseError(f"Failing row contains ({SECRET})"),
    "operational": OperationalError("the server closed the connection unexpectedly at 10.0.0.5"),
    "interface": InterfaceError("connection already closed"),
    "pool": PoolTimeout("couldn't get a connection after 3.00 sec"),
    "http404": Http404(SECRET),
    "drf404": drf.NotFound(SECRET),
    "denied": PermissionDenied(SECRET),
    "drf-denied": drf.PermissionDenied(SECRET),
    "suspicious": SuspiciousOperation(SECRET),
    "parse": drf.ParseError(SECRET),
    "limited": errors.RateLimited(retry_after=7, headers={"RateLimit": '"read";r=0;t=60'}),
    "upstream": errors.UpstreamError(),
    "in-flight": errors.IdempotencyInFlight(retry_after=1),
}


class InApi(V1View):
    authentication_classes = ()
    permission_classes = ()

    def get(self, request: Request, failure: str) -> Response:
        raise FAILURES[failure]


def outside(request: HttpRequest, failure: str) -> HttpResponse:
    raise FAILURES[failure]


urlpatterns = [
    path("v1/fail/<str:failure>", InApi.as_view()),
    path("fail/<str:failure>", outside),
]

handler400 = envelope.bad_request
handler403 = envelope.forbidden
handler404 = envelope.not_found
handler500 = envelope.server_error
