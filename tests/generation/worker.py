"""A worker process for tests: an engine that knows the loopback vendor, and can be made to die at a point.

    python -m tests.generation.worker [DEATH]

DEATH is `before-call` (the purchase is committed, the request not sent), `after-call` (the vendor has
answered, nothing is saved) or `after-settle` (committed, nobody told).
"""

import os
import signal
import sys
import threading
from typing import Any

import django


def die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(death: str) -> None:
    django.setup()
    from django.conf import settings

    from generation import engine, settle
    from generation.providers import ADAPTERS
    from generation.transport import Transport
    from tests.emulators.vendor import Speaks, SpeaksAndFinds, SpeaksOneByOne

    ADAPTERS.update({adapter.name: adapter for adapter in (Speaks, SpeaksAndFinds, SpeaksOneByOne)})
    converse, settle_all = Transport.converse, settle.settle

    async def deadly(self: Transport, provider: Any, steps: Any, *, paid: bool) -> Any:
        if paid and death == "before-call":
            die()
        result = await converse(self, provider, steps, paid=paid)
        if paid and death == "after-call":
            die()
        return result

    def deadly_settle(endings: Any) -> Any:
        from django.db import transaction

        transaction.on_commit(die)
        return settle_all(endings)

    Transport.converse = deadly  # type: ignore[method-assign]
    if death == "after-settle":
        settle.settle = deadly_settle
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    engine.wake()
    print("ready", flush=True)
    stop.wait()
    engine.stop(settings.EGGAPI_DRAIN_SECONDS)


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "eggapi.settings"
    main(sys.argv[1] if len(sys.argv) > 1 else "")
