"""The servers a run stands on: PostgreSQL that really syncs, Redis, web processes, a vendor."""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.servers import free_port, start_postgres, start_redis

TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def servers(folder: Path) -> Iterator[None]:
    """Puts DATABASE_URL, REDIS_URL and EGGAPI_HOME into the environment of this process and its children."""
    postgres = start_postgres(folder, options=("shared_buffers=512MB", "max_connections=100"))
    redis = start_redis(folder)
    os.environ |= {
        "DATABASE_URL": postgres.url,
        "REDIS_URL": redis.url,
        "EGGAPI_HOME": str(folder / "home"),
        "EGGAPI_LOG_LEVEL": "ERROR",
        "EGGAPI_SUBMITS_PER_MINUTE": "6000000",
        "EGGAPI_READS_PER_MINUTE": "6000000",
        "EGGAPI_OPEN_TASKS": "100000000",
        "EGGAPI_SHED_SECONDS": "100000",
        "DJANGO_SETTINGS_MODULE": "eggapi.settings",
    }
    try:
        yield
    finally:
        redis.stop()
        postgres.stop()


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ |= variables
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= before


@contextmanager
def web(application: str, path: str, workers: int = 2, threads: int = 8) -> Iterator[tuple[int, int]]:
    """A granian server of a WSGI application; yields (port, process id)."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", str(workers), "--blocking-threads", str(threads), "--log-level", "error", application),
    ]
    with process(command) as pid:
        wait_for(f"http://127.0.0.1:{port}{path}")
        yield port, pid


@contextmanager
def process(command: Sequence[str]) -> Iterator[int]:
    started = subprocess.Popen(command)
    try:
        yield started.pid
    finally:
        started.terminate()
        try:
            started.wait(20)
        except subprocess.TimeoutExpired:
            started.kill()
            raise


def wait_for(url: str, seconds: float = 30) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and all its descendants."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = int(fields[11]) + int(fields[12])
    return own / TICKS + sum(cpu_seconds(child) for child in children(pid))


def children(pid: int) -> list[int]:
    return [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]


def megabytes(pid: int) -> float:
    """Resident memory of a process and its descendants, shared pages counted once each."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    own = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return own / 1024 + sum(megabytes(child) for child in children(pid))
