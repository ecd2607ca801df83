"""manage.py keys create | list | revoke"""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db.models import Q, QuerySet

from accounts import fields, keyring
from accounts.models import ApiKey, Mode
from accounts.opening import account_of
from eggapi import clock, crypto
from eggapi.command import OperatorCommand, email_address
from eggapi.errors import ValidationFailed

# Option -> how it is written down; each is a field of POST /v1/keys.
TERMS = {
    "budget": ("5.00", "dollars it may spend"),
    "budget_period": ("day", "per day, week or month, in UTC; else in all"),
    "rate": ("20/minute", "submissions per second, minute, hour or day, counted for this key alone"),
    "concurrency": ("10", "unfinished tasks at a time"),
    "scopes": ("generate,tasks:read", "of generate, tasks:read and usage:read; else all"),
    "models": ("nanobanana", "models it is for, comma-separated; else all"),
    "cidrs": ("10.0.0.0/8", "networks it is for, comma-separated; else any"),
    "expires": ("24h", "minutes, hours or days from now: 30m, 24h, 90d"),
}
LISTS = ("scopes", "models", "cidrs")


class Command(OperatorCommand):
    help = "Makes, lists and revokes API keys."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="create | list | revoke")

        create = verbs.add_parser("create", help="prints a new key, this once, alone on stdout")
        create.add_argument("--account", required=True, metavar="EMAIL", help="opened if there is none")
        create.add_argument("--mode", required=True, choices=Mode.values)
        create.add_argument("--name", required=True, help="what people will know it by")
        for name, (example, meaning) in TERMS.items():
            create.add_argument(option(name), metavar=example, help=meaning)

        listing = verbs.add_parser("list", help="prints one key a line, the newest first")
        listing.add_argument("--account", metavar="EMAIL")

        revoke = verbs.add_parser("revoke", help="makes the next request with a key fail")
        revoke.add_argument("key", metavar="PREFIX", help="egg_live_...Ab3d as listed, its last four, or the whole key")
        revoke.add_argument("--account", metavar="EMAIL", help="where several keys look alike")

    def handle(self, *args: Any, verb: str, **options: Any) -> str:
        verbs = {"create": create, "list": listing, "revoke": revoke}
        return verbs[verb](options)


def create(options: dict[str, Any]) -> str:
    email = email_address(options["account"])
    try:
        new = fields.read(body_of(options))
    except ValidationFailed as error:
        name, fault = next(iter(error.fields.items()))
        raise CommandError(f"{option(name)} {fault}.") from None
    _, text = keyring.make(account_of(email), options["mode"], new)
    return text


def body_of(options: dict[str, Any]) -> dict[str, Any]:
    """What was written on the command line, as the JSON object that POST /v1/keys takes."""
    body = {name: options[name] for name in ("name", *TERMS) if options[name] is not None}
    body |= {name: [item.strip() for item in body[name].split(",")] for name in LISTS if name in body}
    if body.get("concurrency", "").isdecimal():
        body["concurrency"] = int(body["concurrency"])
    return body


def option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def listing(options: dict[str, Any]) -> str:
    now = clock.now()
    lines = []
    for key in keys_of(options["account"]).select_related("account").order_by("-pk"):
        used = clock.iso(key.last_used_at) if key.last_used_at else "never used"
        lines.append(f"{key.display}  {key.state(now)}  {used}  {key.account}  {key.name}")
    return "\n".join(lines)


def revoke(options: dict[str, Any]) -> str:
    text = options["key"]
    displays = [text, f"egg_live_...{text}", f"egg_test_...{text}"]  # no LIKE: SQLite's takes a for A
    looks_like_it = Q(display__in=displays) | Q(digest__in=crypto.digests(text))
    keys = keys_of(options["account"]).select_related("account")
    found = list(keys.filter(looks_like_it, revoked_at=None)[:2])
    if not found:
        raise CommandError("There is no such key, or it is revoked already.")
    if len(found) > 1:
        raise CommandError("More than one key looks like this: add --account EMAIL, or give the whole key.")
    keyring.revoke(found[0])
    return f"Revoked {found[0].display}"


def keys_of(email: str | None) -> QuerySet[ApiKey]:
    """Every key, or those of one account."""
    if email is None:
        return ApiKey.objects.all()
    return ApiKey.objects.filter(account__memberships__user__email=email_address(email))
