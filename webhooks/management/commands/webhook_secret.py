"""manage.py webhook_secret EMAIL"""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email

from accounts.opening import account_of
from webhooks import secrets


class Command(BaseCommand):
    help = "Makes a new secret for the webhooks of an account and prints it; the older one signs along for 24 hours."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", help="an owner of the account; it is opened if there is none")

    def handle(self, *args: Any, email: str, **options: Any) -> str:
        try:
            validate_email(email.strip())
        except ValidationError as error:
            raise CommandError(f"{email} is not an e-mail address.") from error
        return secrets.rotate(account_of(email))
