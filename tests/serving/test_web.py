"""The web server, as a program sees it that speaks HTTP by hand."""

import socket
import threading
from collections.abc import Iterator

import pytest

from eggapi.serving.web import WebServer, listen
from tests.customer import Customer
from tests.servers import free_port

pytestmark = pytest.mark.django_db(transaction=True)
BODY = b'{"model":"nanobanana","prompt":"' + b"a" * 2_000_000 + b'"}'


@pytest.fixture
def address() -> Iterator[tuple[str, int]]:
    listener = listen("127.0.0.1", free_port(), exact=True)
    server, address = WebServer(listener), listener.getsockname()
    thread = threading.Thread(target=server.run)
    thread.start()
    yield address
    server.stop()
    thread.join()


def answer(address: tuple[str, int], request: bytes) -> bytes:
    """All that is sent back until the line is closed."""
    with socket.create_connection(address, timeout=10) as line, line.makefile("rb") as reply:
        line.sendall(request)
        line.shutdown(socket.SHUT_WR)
        return reply.read()


def head_of(key: str, method: str, path: str, *more: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {key}", *more, "", ""]
    return "\r\n".join(lines).encode()


@pytest.mark.parametrize(("path", "status"), [("/v1/balance", b"200 OK"), ("/v1/nothing", b"404 Not Found")])
def test_nothing_follows_the_headers_of_an_answer_to_head(address: tuple[str, int], path: str, status: bytes) -> None:
    key = Customer().secret
    headers, _, body = answer(address, head_of(key, "HEAD", path)).partition(b"\r\n\r\n")
    assert headers.startswith(b"HTTP/1.1 " + status)
    assert (b"\r\nContent-Length: 0" in headers, body) == (False, b"")
    headers, _, body = answer(address, head_of(key, "GET", path)).partition(b"\r\n\r\n")
    assert f"\r\nContent-Length: {len(body)}\r\n".encode() in headers


@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_is_measured_however_it_comes(address: tuple[str, int], chunked: bool) -> None:
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(BODY)}"
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY) if chunked else BODY
    request = head_of(Customer().secret, "POST", "/v1/generate", "Content-Type: application/json", length)
    reply = answer(address, request + body)
    assert reply.startswith(b"HTTP/1.1 413 ")
    assert b'"code":"PAYLOAD_TOO_LARGE"' in reply
