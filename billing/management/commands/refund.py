"""manage.py refund TASK_ID [--amount 0.01] --reason TEXT"""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from accounts import auditlog
from billing import ledger
from billing.ledger import NotRefundable
from billing.models import LONGEST_REASON
from eggapi import money
from eggapi.command import OperatorCommand


class Command(OperatorCommand):
    help = "Gives back what a task cost, in whole or in part, once, and prints how much."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("task_id", metavar="TASK_ID")
        parser.add_argument("--amount", metavar="0.01", help="dollars, if not everything that was charged")
        parser.add_argument("--reason", required=True, metavar="TEXT", help="kept with the ledger entry")

    @transaction.atomic
    def handle(self, *args: Any, task_id: str, amount: str | None, reason: str, **options: Any) -> str:
        reason = reason.strip()
        if not 1 <= len(reason) <= LONGEST_REASON:
            raise CommandError(f"The reason must have 1 to {LONGEST_REASON} characters.")
        try:
            entry = ledger.refund(task_id, None if amount is None else money.parse(amount), reason=reason)
        except (NotRefundable, ValueError) as fault:
            raise CommandError(f"Nothing changed: {fault}.") from None
        auditlog.note("task.refund", task_id, account=entry.wallet.account, amount=entry.amount, reason=reason)
        return f"{money.display(entry.amount)} went back to {entry.wallet}."
