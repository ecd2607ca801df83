"""manage.py providers check"""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from eggapi.command import OperatorCommand
from generation import standing


class Command(OperatorCommand):
    help = "Asks every live provider about our credential, its models and our balance; exit code 1 if one is not well."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="check")
        verbs.add_parser("check", help="prints a line for each provider")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        findings = standing.check()
        for finding in findings:
            self.stdout.write(str(finding))
        unwell = [finding.provider for finding in findings if not finding.is_well]
        if unwell:
            raise CommandError(f"Not well: {', '.join(unwell)}.")
