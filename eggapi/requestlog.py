"""One JSON line per request, and the form of every line we log.

Never in a line: a prompt, a key, a header, the query of an address.
"""

import json
import logging
import re
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from prometheus_client import Counter
from psycopg_pool import PoolTimeout

from eggapi.ids import random_text

log = logging.getLogger("eggapi.request")
REQUESTS = Counter("eggapi_requests", "Requests answered by this process.", ["status"])

SECRET = re.compile(
    r"egg_(?:live|test)_[0-9A-Za-z]+|whsec_[0-9A-Za-z+/=]+|Bearer\s+\S+"
    # one-time links: to sign in, to join, to choose a password, to confirm an address; and where a vendor may call us
    r"|(?:(?<=/start/)|(?<=/join/)|(?<=/reset/key/)|(?<=/confirm-email/)|(?<=/callbacks/))[^/\s\"]+"
)
# Whose exceptions speak of the system, not of what somebody sent.
DISCREET = {"accounts", "billing", "eggapi", "generation", "webhooks", "botocore", "kombu", "redis"}
OWN_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def redact(text: str) -> str:
    return SECRET.sub("[secret]", text)


class JSONFormatter(logging.Formatter):
    """{"at", "level", "logger", "event", ...extra fields}, and "error" with the frames of a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in OWN_FIELDS}
        # Links of a letter that no mail server can carry: whoever runs EggAPI finds them here.
        links = {"links": line.pop("links")} if record.name == "eggapi.mail" and "links" in line else None
        if record.exc_info and record.exc_info[1]:
            line["error"] = describe(record.exc_info[1], record.exc_info[2])
        text = redact(json.dumps(line, default=str))
        return f"{text[:-1]}, {json.dumps(links)[1:]}" if links else text


def describe(error: BaseException, trace: TracebackType | None) -> dict[str, Any]:
    """Type, message where it cannot quote a customer, and place."""
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)[-12:]]
    return {"type": type(error).__name__, "message": _message(error)[:300], "frames": frames}


def _message(error: BaseException) -> str:
    """A ValueError or a KeyError holds the value at fault, and a database quotes whole rows."""
    if isinstance(error, (OperationalError, PoolTimeout)):
        return str(error)
    if isinstance(error, OSError):
        return error.strerror or ""
    return str(error) if type(error).__module__.partition(".")[0] in DISCREET else ""


class RequestLog:
    """Middleware: names every request, logs it once, and sends the name back as X-Request-Id."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        request.request_id = f"req_{random_text(20)}"  # type: ignore[attr-defined]
        response = self.get_response(request)
        response.headers["X-Request-Id"] = request.request_id  # type: ignore[attr-defined]
        if not response.streaming:
            # Without it the server can mark the end of the answer only by closing the connection.
            response.headers.setdefault("Content-Length", str(len(response.content)))
        REQUESTS.labels(response.status_code).inc()
        log.info(
            "request",
            extra={
                "request_id": request.request_id,  # type: ignore[attr-defined]
                "method": request.method,
                "path": request.path,
                "status": response.status_code,
                "ms": round((time.perf_counter() - started) * 1000, 1),
                **getattr(request, "log_fields", {}),
            },
        )
        return response
