"""An S3 server on loopback, a bucket at it, and a door before it that does not always open."""

import runpy
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

import boto3
import pytest
from moto.server import ThreadedMotoServer
from pytest_django import Settings

import eggapi.settings
from tests.servers import free_port


@contextmanager
def serving_s3() -> Iterator[str]:
    """Its address."""
    server = ThreadedMotoServer("127.0.0.1", port=free_port(), verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def settings_with(monkeypatch: pytest.MonkeyPatch, **environment: str) -> dict[str, Any]:
    """What the settings file makes of an environment."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return runpy.run_path(str(eggapi.settings.__file__))


def keep_pictures_at(url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the bucket `eggs` there, by environment variables alone."""
    made = settings_with(
        monkeypatch, EGGAPI_S3_BUCKET="eggs", EGGAPI_S3_ENDPOINT=url, EGGAPI_S3_KEY="id", EGGAPI_S3_SECRET="secret"
    )
    settings.STORAGES, settings.EGGAPI_S3_BUCKET = made["STORAGES"], made["EGGAPI_S3_BUCKET"]


def make_bucket(url: str) -> Any:
    session = boto3.resource(
        "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="id", aws_secret_access_key="secret"
    )
    return session.create_bucket(Bucket="eggs")


class Door(ThreadingHTTPServer):
    """Stands before the S3 server at `behind`. `faults` are met by the next PUTs in turn, `always` by the others.

    `error` is a 500, `cut` ends the connection in the middle of the upload, `unheard` stores the file and ends the
    connection instead of answering, `hang` does not answer until the door is closed. `puts` are the keys, as they came.
    """

    def __init__(self, behind: str) -> None:
        super().__init__(("127.0.0.1", 0), Passage)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.behind = urlsplit(behind).netloc
        self.faults: list[str] = []
        self.always = ""
        self.puts: list[str] = []
        self.closing = threading.Event()
        self.lock = threading.Lock()

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()

    def meet(self, key: str) -> str:
        """What this PUT is to meet."""
        with self.lock:
            self.puts.append(key)
            return self.faults.pop(0) if self.faults else self.always


class Passage(BaseHTTPRequestHandler):
    server: Door
    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        size = int(self.headers["Content-Length"])
        fault = self.server.meet(self.path.removeprefix("/eggs/"))
        if fault == "cut":
            self.rfile.read(size // 2)
            return self._hang_up()
        body = self.rfile.read(size)
        if fault == "hang":
            self.server.closing.wait(60)
            return self._hang_up()
        if fault == "error":
            return self._answer(500, b"<Error><Code>InternalError</Code></Error>")
        status, said = self._pass_on(body)
        return self._hang_up() if fault == "unheard" else self._answer(status, said)

    def _pass_on(self, body: bytes) -> tuple[int, bytes]:
        headers = {name: value for name, value in self.headers.items() if name != "Expect"}
        line = HTTPConnection(self.server.behind, timeout=10)
        line.request("PUT", self.path, body, headers)
        reply = line.getresponse()
        said = reply.status, reply.read()
        line.close()
        return said

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _hang_up(self) -> None:
        """With a reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Not to the terminal."""
