"""manage.py credit EMAIL AMOUNT --mode MODE --reason TEXT"""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from accounts import auditlog
from accounts.models import Mode
from accounts.opening import account_of
from billing import ledger
from billing.ledger import Insufficient
from billing.models import LONGEST_REASON, Wallet
from eggapi import money
from eggapi.command import OperatorCommand, email_address


class Command(OperatorCommand):
    help = "Adds money to an account's wallet, or takes it back where negative, and prints what is free then."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", metavar="EMAIL", help="the account's; it is opened if there is none")
        parser.add_argument("amount", metavar="AMOUNT", help="dollars, such as 5 or -0.50")
        parser.add_argument("--mode", required=True, choices=Mode.values)
        parser.add_argument("--reason", required=True, metavar="TEXT", help="kept with the ledger entry")

    @transaction.atomic
    def handle(self, *args: Any, email: str, amount: str, mode: str, reason: str, **options: Any) -> str:
        email, reason = email_address(email), reason.strip()
        if not 1 <= len(reason) <= LONGEST_REASON:
            raise CommandError(f"The reason must have 1 to {LONGEST_REASON} characters.")
        account = account_of(email)
        try:
            entry = ledger.credit(account, Mode(mode), money.parse(amount), reason=reason)
        except ValueError as fault:
            raise CommandError(f"Nothing changed: {fault}.") from None
        except Insufficient:
            free = Wallet.objects.get(account=account, mode=mode).available
            raise CommandError(f"Nothing changed: {email} has only {money.display(free)} free in {mode}.") from None
        auditlog.note("wallet.credit", str(entry.wallet), account=account, amount=entry.amount, reason=reason)
        free = Wallet.objects.get(account=account, mode=mode).available
        return f"{email} now has {money.display(free)} free in {mode}."
