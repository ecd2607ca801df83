"""`manage.py restore DIR`"""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from eggapi.command import OperatorCommand
from eggapi.serving import backup, home, schema


class Command(OperatorCommand):
    help = (
        "Puts the backup in DIR into an EGGAPI_HOME (and a database) that has no data yet. Stop every process"
        " first. Tasks that were unfinished settle or fail; nothing is bought for them again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("dir", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with home.lock(settings.EGGAPI_HOME):
                backup.restore(options["dir"].resolve())
        except (backup.Refused, home.InUse, schema.Unusable, OSError) as fault:
            raise CommandError(str(fault)) from fault
        self.stdout.write(f"Restored {options['dir']}. Start it with: manage.py serve")
