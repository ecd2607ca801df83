"""`manage.py sandbox stats`"""

import json
from typing import Any

from django.core.management.base import CommandParser
from django.db.models import Count

from eggapi.command import OperatorCommand
from generation.models import Purchase

NOT_BOUGHT = (Purchase.State.REJECTED, Purchase.State.NOT_SENT)


class Command(OperatorCommand):
    help = "stats: prints how many purchases were made at the sandbox for each task, as JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("what", choices=["stats"])

    def handle(self, *args: Any, **options: Any) -> None:
        bought = Purchase.objects.filter(attempt__route__provider__adapter="sandbox").exclude(state__in=NOT_BOUGHT)
        by_task = bought.values_list("attempt__task_id").annotate(number=Count("pk")).order_by("attempt__task_id")
        self.stdout.write(json.dumps(dict(by_task)))
