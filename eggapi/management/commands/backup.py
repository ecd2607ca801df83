"""`manage.py backup DIR`"""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from eggapi.command import OperatorCommand
from eggapi.serving import backup


class Command(OperatorCommand):
    help = "Copies database, files and secrets into DIR (new or empty), also while EggAPI runs. Keep it secret."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("dir", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            backup.make(options["dir"].resolve())
        except (backup.Refused, OSError) as fault:
            raise CommandError(str(fault)) from fault
        self.stdout.write(f"Backed up to {options['dir']}.")
        if settings.EGGAPI_S3_BUCKET:
            self.stdout.write(f"The files in bucket {settings.EGGAPI_S3_BUCKET} are not part of it.")
