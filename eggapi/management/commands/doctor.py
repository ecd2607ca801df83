"""manage.py doctor"""

from typing import Any

from django.core.management.base import CommandError

from eggapi.command import OperatorCommand
from eggapi.serving import doctor


class Command(OperatorCommand):
    help = "Checks how this is set up and says which variable to set; exit code 1 if something is broken."
    requires_system_checks = ()  # it says itself what they find

    def handle(self, *args: Any, **options: Any) -> None:
        findings = doctor.examine()
        for finding in findings:
            variable = f"  [{finding.variable}]" if finding.variable else ""
            self.stdout.write(f"{finding.state:8} {finding.name:15} {finding.sentence}{variable}")
        if broken := [finding.name for finding in findings if finding.state == doctor.BROKEN]:
            raise CommandError(f"Broken: {', '.join(broken)}.")
