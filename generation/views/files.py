"""What is served outside of /v1: files for whoever holds a signed address, and an ear for vendors."""

import time

from django.conf import settings
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.storage import default_storage
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.csrf import csrf_exempt
from PIL import UnidentifiedImageError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from eggapi import envelope, errors
from generation import callbacks, storage, thumbnail


class Callback(APIView):
    """POST /callbacks/{token}: a vendor says that a job of ours has changed.

    Whoever knows the address may speak, and the adapter says whether it was the vendor.
    """

    authentication_classes = ()
    permission_classes = ()
    http_method_names = ["post"]
    schema = None  # this is not for customers

    def post(self, request: Request, token: str) -> Response:
        purchase = callbacks.purchase_of(token)
        request._request.log_fields = {"task": purchase.attempt.task_id}  # type: ignore[attr-defined]
        callbacks.hear(purchase, request.headers, request.body)
        return Response({"received": True})


@csrf_exempt  # nothing is changed here; a POST is told so, and not of a missing token
def file(request: HttpRequest, path: str) -> HttpResponse | FileResponse:
    """GET /files/{path}?expires=UNIX_SECONDS&signature=...[&small=1]

    Streams the picture from local storage, or redirects to a five-minute address of the object store.
    404 for a wrong signature, a lapsed address and a purged file alike.
    """
    if request.method not in ("GET", "HEAD"):
        return envelope.error_response(errors.MethodNotAllowed(headers={"Allow": "GET, HEAD"}), request)
    expires, signature = request.GET.get("expires", ""), request.GET.get("signature", "")
    if not expires.isdecimal() or not storage.may_read(path, expires, signature, time.time()):
        return envelope.error_response(errors.NotFound(), request)
    is_small = "small" in request.GET
    if settings.EGGAPI_S3_BUCKET and not is_small:
        return HttpResponseRedirect(default_storage.url(path))
    try:
        response = _small(path) if is_small else _whole(path)
    except (FileNotFoundError, UnidentifiedImageError, SuspiciousFileOperation):
        return envelope.error_response(errors.NotFound(), request)
    response["Cache-Control"] = "private, max-age=86400, immutable"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _whole(path: str) -> FileResponse:
    return FileResponse(default_storage.open(path), content_type=storage.content_type_of(path))


def _small(path: str) -> HttpResponse:
    return HttpResponse(thumbnail.of(path), content_type=thumbnail.CONTENT_TYPE)
