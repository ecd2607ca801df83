"""A web process for tests, to be forked, that submits once and dies on the way."""

import os
import signal
from collections.abc import Callable
from typing import Any


def die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(ready: Callable[[], None], key: str, death: str) -> None:
    """`death` is `before-commit` (the money is taken and the task written) or `after-commit` (nobody told)."""
    from django.test import Client

    from billing import ledger
    from generation import submit

    ready()
    module, name = {"before-commit": (ledger, "write_holds"), "after-commit": (submit, "ring")}[death]
    setattr(module, name, die)
    body = {"model": "nanobanana", "prompt": "an egg"}
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "order-7"}
    Client().post("/v1/generate", body, "application/json", headers=headers)
