"""Real servers on 127.0.0.1 that say exactly what a test wants, byte for byte."""

import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import SHUT_RDWR, create_server, socket
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Talk = Callable[[socket], None]


class Loopback:
    """Holds `talk` with every connection, each in a thread of its own. `heads` are the requests seen."""

    def __init__(self, talk: Talk, tls: ssl.SSLContext | None = None) -> None:
        self.connections = 0
        self.heads: list[str] = []
        self.closing = threading.Event()
        self._talk, self._tls = talk, tls
        self._listener = create_server(("127.0.0.1", 0), backlog=64)
        self._open: list[socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self.port: int = self._listener.getsockname()[1]
        self.pair = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.pair}/"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        for line in [self._listener, *self._open]:
            with suppress(OSError):
                line.shutdown(SHUT_RDWR)
            line.close()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                line, _ = self._listener.accept()
                self.connections += 1
                self._open.append(line)
                self._threads.append(threading.Thread(target=self._serve, args=[line]))
                self._threads[-1].start()

    def _serve(self, line: socket) -> None:
        with suppress(OSError):
            if self._tls:
                line = self._tls.wrap_socket(line, server_side=True)
                self._open.append(line)
            with line:
                self._talk(line)

    def head(self, line: socket) -> bool:
        """Read one request up to its body, which must come along with it; False at the end of the connection."""
        seen = b""
        while b"\r\n\r\n" not in seen:
            piece = line.recv(65536)
            if not piece:
                return False
            seen += piece
        self.heads.append(seen.decode())
        return True


def serving(*replies: bytes, tls: ssl.SSLContext | None = None) -> Loopback:
    """A server that keeps its connections and gives these replies in turn, the last one for ever."""
    left = list(replies)

    def talk(line: socket) -> None:
        while server.head(line):
            line.sendall(left.pop(0) if len(left) > 1 else left[0])

    server = Loopback(talk, tls)
    return server


def reply(body: bytes = b"", status: str = "200 OK", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Authority:
    """A certificate authority of our own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Loopback")])
        own = self._certify(self._name, self._key, x509.BasicConstraints(ca=True, path_length=None))
        self.file = folder / "authority.pem"
        self.file.write_bytes(own.public_bytes(serialization.Encoding.PEM))

    def server(self, host: str, days: int = 1) -> ssl.SSLContext:
        """For a server that proves to be `host`, and did so until `days` from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        certificate = self._certify(x509.Name([]), key, names, days)
        pem = self.folder / f"{host}.pem"
        pem.write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
            + key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        return context

    def _certify(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType, days: int = 1
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=9))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(extension, critical=True)
            .sign(self._key, hashes.SHA256())
        )
