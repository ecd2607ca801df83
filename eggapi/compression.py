"""Pages and their styles and scripts go compressed; answers of the API are too small, and pictures are already."""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware

TYPES = ("text/", "application/javascript", "image/svg+xml")
STREAMS = "text/event-stream"


class Compression(GZipMiddleware):
    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        kind = response.headers.get("Content-Type", "")
        if not kind.startswith(TYPES) or kind.startswith(STREAMS):
            return response
        return super().process_response(request, response)
