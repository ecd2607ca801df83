"""Measures EggAPI on PostgreSQL and Redis and prints each figure beside its yardstick of the same run."""

import json
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import django

from bench import ground, load, pgbench

ROUNDS = 3
SECONDS = 3
LIFE_SECONDS = 6
ACCOUNTS = 200
BODY = json.dumps(
    {"model": "nanobanana", "prompt": "A cinematic product photo of a matte green travel mug", "aspect_ratio": "16:9"}
).encode()
OURS = "eggapi.wsgi:application"
YARDSTICK = "bench.empty:application"

Figures = dict[str, list[float]]


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="egg-bench-") as name:
        folder = Path(name)
        with ground.servers(folder):
            django.setup()
            from bench import people

            keys, accounts = people.settle_in(ACCOUNTS)
            figures: Figures = defaultdict(list)
            for _ in range(ROUNDS):
                measure_web(figures, folder, keys, accounts)
            medians = {name: statistics.median(values) for name, values in figures.items()}
            medians["life"] = measure_life()
    report(medians)


def measure_web(figures: Figures, folder: Path, keys: list[str], accounts: range) -> None:
    figures["four"].append(pgbench.transactions_per_second(folder, accounts, SECONDS))
    figures["four_hot"].append(
        pgbench.transactions_per_second(folder, range(accounts.start, accounts.start + 1), SECONDS)
    )
    posts = [load.post("/v1/generate", key, BODY) for key in keys]
    with ground.web(OURS, "/healthz") as (port, pid):
        task_id = load.first(port, load.post("/v1/generate", keys[0], BODY))["data"]["id"]
        before = ground.cpu_seconds(pid)
        submits = checked(load.run(port, posts, SECONDS, b"202"))
        figures["submit_cpu"].append((ground.cpu_seconds(pid) - before) / len(submits.latencies) * 1e3)
        figures["submit"].append(submits.rate)
        figures["submit_p99"].append(submits.percentile(0.99) * 1e3)
        figures["hot"].append(checked(load.run(port, posts[:1], SECONDS, b"202")).rate)
        figures["get"].append(checked(load.run(port, [load.get(f"/v1/tasks/{task_id}", keys[0])], SECONDS)).rate)
        figures["web_mb"].append(ground.megabytes(pid))
    with ground.web(YARDSTICK, "/empty") as (port, _):
        figures["empty"].append(checked(load.run(port, [load.get("/empty")], SECONDS)).rate)
        stock = [load.post("/stock", key, BODY) for key in keys]
        figures["stock"].append(checked(load.run(port, stock, SECONDS, b"202")).rate)


def measure_life() -> float:
    """Tasks a second through the whole life cycle, webhook included: one web process, one worker."""
    from bench import people

    with (
        people.vendor_and_receivers() as receivers,
        ground.web("bench.web:application", "/healthz", workers=1) as (port, _),
        ground.process([sys.executable, "-m", "bench.worker"]),
    ):
        bodies = [json.dumps({**json.loads(BODY), "webhook_url": url}).encode() for url in receivers]
        posts = zip(people.live_keys(), bodies, strict=True)
        requests = [load.post("/v1/generate", key, body) for key, body in posts]
        started = time.monotonic()
        sent = checked(load.run(port, requests, LIFE_SECONDS, b"202"))
        people.wait_until_done(len(sent.latencies))
        return len(sent.latencies) / (time.monotonic() - started)


def checked(result: load.Result) -> load.Result:
    if result.bad:
        raise SystemExit(f"{result.bad} of {len(result.latencies)} answers were not as expected")
    return result


def report(m: dict[str, float]) -> None:
    rows: list[tuple[str, Callable[[], float], str]] = [
        ("durable submit/s / pgbench four statements, 16 clients", lambda: m["submit"] / m["four"], "0.50"),
        ("one hot account: submit/s / pgbench on one account", lambda: m["hot"] / m["four_hot"], "1.3"),
        ("durable submit / stock DRF + ORM view", lambda: m["submit"] / m["stock"], "4"),
        ("GET task / an empty Django view", lambda: m["get"] / m["empty"], "0.20"),
        ("whole life cycle with webhook, tasks/s / pgbench four statements", lambda: m["life"] / m["four"], "0.18"),
    ]
    for name, value in sorted(m.items()):
        print(f"{name:12} {value:12.2f}")
    print()
    for name, ratio, floor in rows:
        print(f"{ratio():6.2f}  (floor {floor})  {name}")


if __name__ == "__main__":
    main()
