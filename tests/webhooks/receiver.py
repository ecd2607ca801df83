"""A customer's server on 127.0.0.1 that answers as it is told and remembers what came."""

import threading
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


@dataclass(frozen=True)
class Say:
    status: int = 200
    body: bytes = b"ok"
    headers: dict[str, str] = field(default_factory=dict)


HANG = Say(0)


@dataclass(frozen=True)
class Received:
    headers: Message
    body: bytes


class Receiver:
    """Gives these answers in turn, the last one for ever. `most_at_once` is what was in flight at the peak."""

    def __init__(self, *answers: Say, port: int = 0) -> None:
        self.received: list[Received] = []
        self.most_at_once = 0
        self._at_once = 0
        self._answers = list(answers) or [Say()]
        self._guard = threading.Lock()
        self._closing = threading.Event()
        self._server = _Server(("127.0.0.1", port), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.05])
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}/hook"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def say(self, *answers: Say) -> None:
        """Gives these answers from now on."""
        with self._guard:
            self._answers = list(answers)

    def let_go(self) -> None:
        """From now on nobody hangs."""
        self._closing.set()

    def answer(self, request: Received) -> Say:
        with self._guard:
            self.received.append(request)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            say = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if say is HANG:
            self._closing.wait()
        with self._guard:
            self._at_once -= 1
        return say


class _Server(ThreadingHTTPServer):
    request_queue_size = 128


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            say = receiver.answer(Received(self.headers, body))
            try:
                self.send_response(say.status or 200)
                for name, value in say.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(say.body)))
                self.end_headers()
                self.wfile.write(say.body)
            except OSError:
                self.close_connection = True  # the other side has given up

        def log_message(self, *_: object) -> None: ...

    return Handler
