"""The web server of the embedded mode: waitress, with an end that loses no answer."""

import logging
import socket
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

import orjson
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer, create_server
from waitress.task import ErrorTask

from eggapi import envelope, errors
from eggapi.ids import random_text
from generation import waiting

log = logging.getLogger("eggapi.request")

LARGEST_REQUEST = 32 * 1024 * 1024  # a dialect's pictures come inside the JSON; /v1 itself stops at 1 MiB
BACKLOG = 1024
TRIES = 100
LAST_ANSWERS_SECONDS = 4.0
MOST_WAITING = 500


class PortTaken(Exception):
    """Nobody can listen there; the text says what to do."""


def listen(host: str, port: int, *, exact: bool) -> socket.socket:
    """A listening socket on `port`, or unless `exact` on the next free one. Raises PortTaken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in range(port, port + (1 if exact else TRIES)):
        try:
            return socket.create_server((host, candidate), family=family, backlog=BACKLOG)
        except OSError as error:
            reason = error.strerror
    raise PortTaken(f"Cannot listen on {host} port {port}: {reason}. Set PORT (and HOST) to what is free.")


def local_url(listener: socket.socket) -> str:
    """The base address for somebody on this machine."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class RefusalTask(ErrorTask):
    """What waitress will not read (broken HTTP, too much of it) is answered in the envelope too."""

    def execute(self) -> None:
        error = errors.PayloadTooLarge() if self.request.error.code == 413 else errors.BadRequest()
        request_id = f"req_{random_text(20)}"
        log.info("request", extra={"request_id": request_id, "status": error.status})
        body = orjson.dumps({"data": None, "error": envelope.error_body(error, None) | {"request_id": request_id}})
        self.status = f"{error.status} {HTTPStatus(error.status).phrase}"
        self.response_headers += [("Content-Type", "application/json"), ("X-Request-Id", request_id)]
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class WithoutBodyForHead:
    """A WSGI application whose answers to HEAD end with the headers.

    Waitress would send the body on, and the client would take it for the beginning of the next answer.
    """

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        answer = self._application(environ, start_response)
        if environ["REQUEST_METHOD"] != "HEAD":
            return answer
        if hasattr(answer, "close"):
            answer.close()
        return []


class Channel(HTTPChannel):
    error_task_class = RefusalTask


class WebServer:
    """`run` serves until `stop` is called (by a signal handler, or another thread), then gives the last answers."""

    def __init__(self, listener: socket.socket) -> None:
        self.stopping = False
        self._waitress: TcpWSGIServer = create_server(
            WithoutBodyForHead(get_wsgi_application()),
            sockets=[listener],
            threads=settings.EGGAPI_THREADS,
            max_request_body_size=LARGEST_REQUEST,
            backlog=BACKLOG,
            connection_limit=1000,
            channel_timeout=75,
            asyncore_use_poll=True,
            ident=None,
            clear_untrusted_proxy_headers=False,
        )
        self._waitress.channel_class = Channel
        waiting.seats.most, waiting.seats.tell = MOST_WAITING, self._stand_in

    def run(self) -> None:
        while not self.stopping:
            self._turn(seconds=1.0)
        self._close_listener()
        until = time.monotonic() + LAST_ANSWERS_SECONDS
        while self._busy() and time.monotonic() < until:
            self._turn(seconds=0.05)
        self._waitress.task_dispatcher.shutdown(timeout=1)
        wasyncore.close_all(self._waitress._map)

    def stop(self) -> None:
        if not self.stopping:
            self.stopping = True
            self._waitress.pull_trigger()

    def _stand_in(self, asleep: int) -> None:
        """Others work while a request sleeps: there are always as many threads awake."""
        if not self.stopping:
            self._waitress.task_dispatcher.set_thread_count(settings.EGGAPI_THREADS + asleep)

    def _turn(self, seconds: float) -> None:
        wasyncore.loop(timeout=seconds, use_poll=True, map=self._waitress._map, count=1)

    def _close_listener(self) -> None:
        self._waitress.del_channel()
        self._waitress.socket.close()

    def _busy(self) -> bool:
        """Whether a request is being worked on, or an answer is not out yet."""
        channels: list[HTTPChannel] = list(self._waitress.active_channels.values())
        return any(channel.requests or channel.total_outbufs_len for channel in channels)
