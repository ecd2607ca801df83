"""manage.py keys create | list | revoke"""

import re
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db.models import Q, QuerySet

from accounts import keys
from accounts.models import ApiKey, Mode
from accounts.opening import account_of
from eggapi import clock, crypto
from eggapi.command import OperatorCommand, email_address

UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class Command(OperatorCommand):
    help = "Makes, lists and revokes API keys."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="create | list | revoke")

        create = verbs.add_parser("create", help="prints a new key, this once, alone on stdout")
        create.add_argument("--account", required=True, metavar="EMAIL", help="opened if there is none")
        create.add_argument("--mode", required=True, choices=Mode.values)
        create.add_argument("--name", required=True, help="what people will know it by")
        create.add_argument("--expires", metavar="24h", help="minutes, hours or days from now: 30m, 24h, 90d")

        listing = verbs.add_parser("list", help="prints one key a line, the newest first")
        listing.add_argument("--account", metavar="EMAIL")

        revoke = verbs.add_parser("revoke", help="makes the next request with a key fail")
        revoke.add_argument("key", metavar="PREFIX", help="egg_live_...Ab3d as listed, its last four, or the whole key")
        revoke.add_argument("--account", metavar="EMAIL", help="where several keys look alike")

    def handle(self, *args: Any, verb: str, **options: Any) -> str:
        verbs = {"create": create, "list": listing, "revoke": revoke}
        return verbs[verb](options)


def create(options: dict[str, Any]) -> str:
    email, name = email_address(options["account"]), options["name"].strip()
    if not 1 <= len(name) <= 100:
        raise CommandError("The name must have 1 to 100 characters.")
    lifetime = duration(options["expires"]) if options["expires"] else None
    expires_at = clock.now() + lifetime if lifetime else None
    _, text = keys.mint(account_of(email), options["mode"], name, expires_at)
    return text


def listing(options: dict[str, Any]) -> str:
    now = clock.now()
    lines = []
    for key in keys_of(options["account"]).select_related("account").order_by("-pk"):
        expired = key.expires_at is not None and key.expires_at <= now
        state = "revoked" if key.revoked_at else "expired" if expired else "usable"
        used = clock.iso(key.last_used_at) if key.last_used_at else "never used"
        lines.append(f"{key.display}  {state}  {used}  {key.account}  {key.name}")
    return "\n".join(lines)


def revoke(options: dict[str, Any]) -> str:
    text = options["key"]
    displays = [text, f"egg_live_...{text}", f"egg_test_...{text}"]  # no LIKE: SQLite's takes a for A
    looks_like_it = Q(display__in=displays) | Q(digest=crypto.digest(text))
    found = list(keys_of(options["account"]).filter(looks_like_it, revoked_at=None)[:2])
    if not found:
        raise CommandError("There is no such key, or it is revoked already.")
    if len(found) > 1:
        raise CommandError("More than one key looks like this: add --account EMAIL, or give the whole key.")
    found[0].revoke()
    return f"Revoked {found[0].display}"


def keys_of(email: str | None) -> QuerySet[ApiKey]:
    """Every key, or those of one account."""
    if email is None:
        return ApiKey.objects.all()
    return ApiKey.objects.filter(account__memberships__user__email=email_address(email))


def duration(text: str) -> timedelta:
    """90d, 24h or 30m. Raises CommandError."""
    match = re.fullmatch(r"([1-9][0-9]{0,5})([mhd])", text)
    if match is None:
        raise CommandError(f"{text!r} is no duration such as 30m, 24h or 90d.")
    return timedelta(**{UNITS[match[2]]: int(match[1])})
