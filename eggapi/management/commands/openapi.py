"""manage.py openapi"""

import json
from typing import Any

from django.core.management.base import BaseCommand

from eggapi import envelope, openapi


class Command(BaseCommand):
    help = "Prints the description of /v1 that /openapi.json serves."

    def handle(self, *args: Any, **options: Any) -> str:
        return json.dumps({**openapi.document(), "servers": [{"url": envelope.base_url()}]}, indent=2)
