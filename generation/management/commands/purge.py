"""manage.py purge"""

from typing import Any

import webhooks.retention
from eggapi import clock
from eggapi.command import OperatorCommand
from generation import retention


class Command(OperatorCommand):
    help = "Removes now what the workers remove by and by: expired pictures, what zero retention forgets, old requests."

    def handle(self, *args: Any, **options: Any) -> str:
        tasks, requests = retention.purge()
        attempts, payloads, secrets = webhooks.retention.purge(clock.now())
        return (
            f"Removed the files of {tasks} tasks; forgot {requests} idempotency keys,"
            f" {attempts} attempts and {payloads} payloads of webhooks, {secrets} old secrets."
        )
