"""manage.py audit_ledger"""

from typing import Any

from django.core.management.base import CommandError

import billing.audit
import generation.audit
from eggapi.audit import snapshot
from eggapi.command import OperatorCommand


class Command(OperatorCommand):
    help = "Derives every balance and every sum again and prints what drifts; exit code 1 if anything does."

    def handle(self, *args: Any, **options: Any) -> str:
        with snapshot():
            drift = generation.audit.audit_ledger()
            totals = billing.audit.totals()
        for sentence in drift:
            self.stdout.write(sentence)
        if drift:
            raise CommandError("The ledger drifts.")
        return totals
