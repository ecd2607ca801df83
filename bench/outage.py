"""What an outage of the first route costs: `python -m bench.outage`.

Twenty tasks a second for two minutes. The vendor of the first route is away for the first of them and
then comes back; the vendor of the second is always well.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import django

from bench import ground
from tests.servers import free_port

PER_SECOND = 20
OUTAGE_SECONDS = 60
AFTERWARDS_SECONDS = 60
MOST_SECONDS = 5.0


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="egg-outage-") as name, ground.servers(Path(name)):
        django.setup()
        from generation.models import Attempt, Heartbeat

        first, second = free_port(), free_port()
        caller = open_shop(first, second)
        with (
            ground.process([sys.executable, "-m", "bench.vendor", str(second)]),
            ground.process([sys.executable, "-m", "bench.worker"]),
        ):
            while not Heartbeat.objects.exists():
                time.sleep(0.1)
            submit_for(caller, OUTAGE_SECONDS)
            refused = Attempt.objects.filter(route__label="Route A").count()
            with ground.process([sys.executable, "-m", "bench.vendor", str(first)]):
                submit_for(caller, AFTERWARDS_SECONDS)
                time.sleep(5)
                report(refused)


def open_shop(first: int, second: int) -> Any:
    from accounts.caller import Caller
    from accounts.models import Mode
    from bench import people
    from bench.vendor import ADAPTER, register
    from generation import catalog
    from generation.models import ImageModel, Provider, Route

    register()
    _, accounts = people.settle_in(1)
    people.live_keys()
    model = ImageModel.objects.get(name="nanobanana")
    for priority, (label, port) in enumerate([("Route A", first), ("Route B", second)]):
        provider = Provider.objects.create(name=label, adapter=ADAPTER, base_url=f"http://127.0.0.1:{port}")
        Route.objects.create(model=model, provider=provider, upstream_model="fast", label=label, priority=priority)
    catalog.changed()
    return Caller(accounts.start, Mode.LIVE)


def submit_for(caller: Any, seconds: int) -> None:
    from generation.submit import submit

    begun = time.monotonic()
    for number in range(seconds * PER_SECOND):
        submit(caller, {"model": "nanobanana", "prompt": "A matte green travel mug"})
        time.sleep(max(0.0, begun + (number + 1) / PER_SECOND - time.monotonic()))


def report(refused: int) -> None:
    """Fails where a task failed or waited too long, or where the dead route was asked too often."""
    from django.db.models import F, Max

    from generation.breaker import CONSECUTIVE
    from generation.models import Attempt, Task

    done = Task.objects.filter(status="completed")
    slowest = done.aggregate(value=Max(F("completed_at") - F("created_at")))["value"].total_seconds()
    afterwards = Attempt.objects.filter(route__label="Route A", state="done").count()
    asked = PER_SECOND * (OUTAGE_SECONDS + AFTERWARDS_SECONDS)
    probes = 2  # after 15 s and after 30 s more; the next would be at 105 s
    print(f"completed       {done.count():8} of {asked}")
    print(f"slowest task    {slowest:8.2f} s from accepted to completed (at most {MOST_SECONDS:.0f})")
    print(f"attempts        {refused:8} on the dead route (at most {CONSECUTIVE} + {probes} probes)")
    print(f"taken back      {afterwards:8} tasks on the first route in the minute after the outage")
    if done.count() < asked or slowest > MOST_SECONDS or refused > CONSECUTIVE + probes or not afterwards:
        sys.exit(1)


if __name__ == "__main__":
    main()
