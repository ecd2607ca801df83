"""Views that answer who called."""

from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import V1View
from accounts.authentication import BearerKey, SessionCaller


class KeyOnly(V1View):
    def get(self, request: Request) -> Response:
        caller = self.caller
        return Response({"account": caller.account_id, "mode": caller.mode, "key": caller.key_id})


class KeyOrSession(KeyOnly):
    authentication_classes = (BearerKey, SessionCaller)

    def post(self, request: Request) -> Response:
        return self.get(request)


class Public(V1View):
    authentication_classes = ()
    permission_classes = ()

    def get(self, request: Request) -> Response:
        return Response({"signed_in": request.user is not None})


urlpatterns = [
    path("v1/key", KeyOnly.as_view()),
    path("v1/both", KeyOrSession.as_view()),
    path("v1/public", Public.as_view()),
]
