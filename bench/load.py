"""A load generator small enough to share two cores with what it measures: keep-alive sockets and one selector."""

import itertools
import json
import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Result:
    """`latencies` in seconds, sorted; `bad` counts answers with an unexpected status."""

    seconds: float
    latencies: list[float]
    bad: int

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        return self.latencies[min(int(len(self.latencies) * share), len(self.latencies) - 1)]


class Client:
    def __init__(self, port: int, request: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.request = request
        self.buffer = self.body = b""
        self.sent_at = 0.0

    def send(self) -> None:
        self.sent_at = time.perf_counter()
        self.socket.sendall(self.request)

    def receive(self) -> bytes | None:
        """The status line's code once the whole answer is here."""
        self.buffer += self.socket.recv(65536)
        head, found, body = self.buffer.partition(b"\r\n\r\n")
        if not found:
            return None
        _, _, length = head.lower().partition(b"content-length:")
        if len(body) < int(length.split(b"\r\n", 1)[0]):
            return None
        self.buffer, self.body = b"", body
        return head[9:12]


def post(path: str, key: str, body: bytes) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def get(path: str, key: str = "") -> bytes:
    authorization = f"Authorization: Bearer {key}\r\n" if key else ""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{authorization}\r\n".encode()


def first(port: int, request: bytes) -> Any:
    """The JSON of the answer to a single request."""
    client = Client(port, request)
    client.send()
    while client.receive() is None:
        pass
    client.socket.close()
    return json.loads(client.body)


def run(port: int, requests: Sequence[bytes], seconds: float, expect: bytes = b"200", clients: int = 16) -> Result:
    """`clients` connections, each sending its next request as soon as the last was answered."""
    selector = selectors.DefaultSelector()
    turns = itertools.cycle(requests)
    crowd = [Client(port, next(turns)) for _ in range(clients)]
    latencies: list[float] = []
    bad = 0
    started = time.perf_counter()
    for client in crowd:
        selector.register(client.socket, selectors.EVENT_READ, client)
        client.send()
    while (now := time.perf_counter()) - started < seconds:
        for key, _ in selector.select(0.1):
            client = key.data
            status = client.receive()
            if status is None:
                continue
            bad += status != expect
            latencies.append(time.perf_counter() - client.sent_at)
            client.request = next(turns)
            client.send()
    for client in crowd:
        client.socket.close()
    return Result(now - started, sorted(latencies), bad)
