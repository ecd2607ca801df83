"""manage.py login_link EMAIL"""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts import links
from accounts.models import User
from eggapi.command import OperatorCommand, email_address


class Command(OperatorCommand):
    help = "Prints an address that signs somebody in: once, and within ten minutes."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")

    def handle(self, *args: Any, email: str, **options: Any) -> str:
        user = User.objects.filter(email=email_address(email), is_active=True).first()
        if user is None:
            raise CommandError(f"Nobody signs in as {email}.")
        return links.make(user)
