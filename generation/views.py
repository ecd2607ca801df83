"""Files for whoever holds a signed address."""

import time

from django.conf import settings
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.storage import default_storage
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.csrf import csrf_exempt

from eggapi import envelope, errors
from generation import storage


@csrf_exempt  # nothing is changed here; a POST is told so, and not of a missing token
def file(request: HttpRequest, path: str) -> HttpResponse | FileResponse:
    """GET /files/{path}?expires=UNIX_SECONDS&signature=...

    Streams the picture from local storage, or redirects to a five-minute address of the object store.
    404 for a wrong signature, a lapsed address and a purged file alike.
    """
    if request.method not in ("GET", "HEAD"):
        return envelope.error_response(errors.MethodNotAllowed(headers={"Allow": "GET, HEAD"}), request)
    expires, signature = request.GET.get("expires", ""), request.GET.get("signature", "")
    if not expires.isdecimal() or not storage.may_read(path, expires, signature, time.time()):
        return envelope.error_response(errors.NotFound(), request)
    if settings.EGGAPI_S3_BUCKET:
        return HttpResponseRedirect(default_storage.url(path))
    try:
        opened = default_storage.open(path)
    except (FileNotFoundError, SuspiciousFileOperation):
        return envelope.error_response(errors.NotFound(), request)
    response = FileResponse(opened, content_type=storage.content_type_of(path))
    response["Cache-Control"] = "private, max-age=86400, immutable"
    response["X-Content-Type-Options"] = "nosniff"
    return response
