"""A web process for tests, that submits once and dies on the way.

    python -m tests.generation.submitter KEY DEATH

DEATH is `before-commit` (the money is taken and the task written) or `after-commit` (nobody told).
"""

import os
import signal
import sys
from typing import Any

import django


def die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(key: str, death: str) -> None:
    django.setup()
    from django.test import Client

    from billing import ledger
    from generation import submit

    module, name = {"before-commit": (ledger, "write_holds"), "after-commit": (submit, "ring")}[death]
    setattr(module, name, die)
    body = {"model": "nanobanana", "prompt": "an egg"}
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "order-7"}
    Client().post("/v1/generate", body, "application/json", headers=headers)


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "eggapi.settings"
    main(*sys.argv[1:])
