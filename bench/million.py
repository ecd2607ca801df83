"""Reads of a customer's own history at a million tasks, through the real HTTP server. `python -m bench.million`"""

import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import django

from bench import ground, load

TASKS = 1_000_000
ACCOUNTS = 300
CALLS = 200
MOST_MS = 100.0


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="egg-million-") as name, ground.servers(Path(name)):
        django.setup()
        from bench import history, people

        keys, accounts = people.settle_in(ACCOUNTS)
        history.write(TASKS, accounts)
        with ground.web("eggapi.wsgi:application", "/healthz") as (port, _):
            slow = measure(port, "largest", keys[0]) + measure(port, "another", keys[-1])
    sys.exit(f"slower than {MOST_MS} ms: {', '.join(slow)}" if slow else 0)


def measure(port: int, whose: str, key: str) -> list[str]:
    """Prints a line for each kind of call; returns those whose p95 is too long."""
    newest = load.first(port, load.get("/v1/tasks", key))["data"]["items"][0]["id"]
    since = (datetime.now(UTC) - timedelta(days=7)).isoformat().replace("+00:00", "Z")
    client, slow = load.Client(port, b""), []
    for path in (
        "/v1/tasks",
        "/v1/tasks?page=50",
        "/v1/tasks?status=completed",
        "/v1/tasks?status=failed",
        "/v1/tasks?status=pending",
        "/v1/tasks?model=nanobanana-pro",
        "/v1/tasks?model=none",
        f"/v1/tasks?created_after={since}",
        "/v1/usage",
        "/v1/usage?page=50",
        f"/v1/usage?created_after={since}",
        "/v1/usage/summary",
        f"/v1/tasks/{newest}/receipt",
    ):
        latencies = sorted(seconds(client, load.get(path, key)) for _ in range(CALLS))
        middle, p95 = (latencies[int(CALLS * share)] * 1e3 for share in (0.5, 0.95))
        print(f"{whose:8} {path:60} p50 {middle:7.1f} ms   p95 {p95:7.1f} ms", flush=True)
        slow += [path] if p95 > MOST_MS else []
    return slow


def seconds(client: load.Client, request: bytes) -> float:
    """How long the answer took."""
    client.request = request
    client.send()
    while not (status := client.receive()):
        pass
    if status != b"200":
        raise SystemExit(f"{request.decode()}{client.body.decode()}")
    return time.perf_counter() - client.sent_at


if __name__ == "__main__":
    main()
