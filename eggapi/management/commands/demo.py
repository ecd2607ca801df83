"""manage.py demo"""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from accounts import opening
from accounts.models import Mode
from eggapi import money
from eggapi.command import OperatorCommand, email_address
from eggapi.serving.demo import fill

MOST_TASKS = 1_000_000


class Command(OperatorCommand):
    help = (
        "Fills an account with 30 days of plausible usage, once: for screenshots and for measuring. In live mode it"
        " has what the demo did not spend of its money, too."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--account", metavar="EMAIL", help="default: the first account")
        parser.add_argument("--tasks", type=int, default=600, metavar="600", help="how many, all of them finished")
        parser.add_argument("--mode", choices=Mode.values, default=Mode.TEST.value)

    def handle(self, *args: Any, **options: Any) -> str:
        count, mode = options["tasks"], Mode(options["mode"])
        if not 1 <= count <= MOST_TASKS:
            raise CommandError(f"--tasks must be from 1 to {MOST_TASKS:,}.")
        account = opening.account_of(email_address(options["account"] or settings.EGGAPI_INIT_EMAIL))
        try:
            spent = fill.fill(account, mode, count)
        except fill.Refused as why:
            raise CommandError(str(why)) from None
        return f"{account} has {count:,} tasks more in {mode} mode, which cost {money.display(spent)}."
