"""manage.py webhook_secret EMAIL"""

from typing import Any

from django.core.management.base import CommandParser

from accounts.opening import account_of
from eggapi.command import OperatorCommand, email_address
from webhooks import secrets


class Command(OperatorCommand):
    help = "Makes a new secret for an account's webhooks and prints it; the one before signs along for 24 hours."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", metavar="EMAIL", help="the account's; it is opened if there is none")

    def handle(self, *args: Any, email: str, **options: Any) -> str:
        return secrets.rotate(account_of(email_address(email)))
