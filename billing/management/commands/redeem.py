"""manage.py redeem create | list | revoke"""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from accounts import fields
from billing import redeem
from billing.models import RedeemBatch
from eggapi import clock, money
from eggapi.command import OperatorCommand
from eggapi.fields import Fault, dollars


class Command(OperatorCommand):
    help = "Makes, lists and withdraws codes that customers redeem for money."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="create | list | revoke")

        create = verbs.add_parser("create", help="prints new codes, this once, one a line")
        create.add_argument("--name", required=True, help="what operators will know the batch by")
        create.add_argument("--amount", required=True, metavar="5.00", help="dollars that each is worth")
        create.add_argument("--count", required=True, type=int, metavar="10", help="how many codes")
        create.add_argument("--uses", type=int, default=1, metavar="1", help="accounts that may redeem each")
        create.add_argument("--expires", metavar="30d", help="minutes, hours or days from now: 30m, 24h, 30d")

        verbs.add_parser("list", help="prints one batch a line, the newest first")

        revoke = verbs.add_parser("revoke", help="withdraws a code, or every code of the batches of a name")
        revoke.add_argument("text", metavar="NAME|CODE")

    def handle(self, *args: Any, verb: str, **options: Any) -> str:
        verbs = {"create": create, "list": listing, "revoke": revoke}
        return verbs[verb](options)


def create(options: dict[str, Any]) -> str:
    name = options["name"].strip()
    if not 1 <= len(name) <= 100 or not name.isprintable():
        raise CommandError("--name must be 1 to 100 printable characters.")
    for option, most in (("count", redeem.MOST_CODES), ("uses", redeem.MOST_USES)):
        if not 1 <= options[option] <= most:
            raise CommandError(f"--{option} must be from 1 to {most:,}.")
    try:
        amount = dollars(options["amount"], 1, redeem.MOST_WORTH)
    except Fault as fault:
        raise CommandError(f"--amount {fault}.") from None
    try:
        expires = fields.duration(options["expires"]) if options["expires"] else None
    except Fault as fault:
        raise CommandError(f"--expires {fault}.") from None
    return "\n".join(redeem.make(name, amount, options["count"], options["uses"], expires))


def listing(options: dict[str, Any]) -> str:
    return "\n".join(
        f"{batch.name}  {state(batch)}  {codes} codes of {money.display(batch.amount)}"
        f"  redeemed {redeemed} of {codes * batch.uses} times"
        for batch, codes, redeemed in redeem.batches()
    )


def state(batch: RedeemBatch) -> str:
    if batch.revoked_at:
        return "revoked"
    if not batch.expires_at:
        return "usable"
    return f"{'usable until' if batch.expires_at > clock.now() else 'expired'} {clock.iso(batch.expires_at)}"


def revoke(options: dict[str, Any]) -> str:
    revoked = redeem.revoke(options["text"].strip())
    if not revoked:
        raise CommandError("There is no such code and no batch of that name, or it is revoked already.")
    return f"Revoked {revoked} {'code' if revoked == 1 else 'codes'}."
