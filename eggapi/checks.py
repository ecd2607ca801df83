"""System checks: states this cannot run in (errors), and mistakes to make in production (`check --deploy`)."""

import os
import sqlite3
import sys
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

OLDEST_SQLITE = (3, 35)
OWN_SECRETS = ("EGGAPI_SECRET_KEY", "EGGAPI_PEPPER", "EGGAPI_FERNET_KEYS")


def on_sqlite() -> bool:
    return bool(settings.DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3")


@register(Tags.database)
def database_fits(app_configs: Any, **_: Any) -> Sequence[CheckMessage]:
    if on_sqlite() and sqlite3.sqlite_version_info < OLDEST_SQLITE:
        return [
            Error(
                f"This Python brings SQLite {sqlite3.sqlite_version}, which is older than 3.35.",
                hint="Use a newer Python, or set DATABASE_URL to a PostgreSQL database.",
                id="eggapi.E001",
            )
        ]
    return []


@register(Tags.compatibility)
def no_half_state(app_configs: Any, **_: Any) -> Sequence[CheckMessage]:
    """Redis is there so that several processes can share the work; they have to share the database too."""
    if settings.REDIS_URL and on_sqlite():
        return [
            Error(
                "REDIS_URL is set, but the database is a SQLite file, which workers on other hosts cannot reach.",
                hint="Set DATABASE_URL to a PostgreSQL database, or unset REDIS_URL.",
                id="eggapi.E002",
            )
        ]
    return []


@register(Tags.compatibility)
def no_half_of_stripe(app_configs: Any, **_: Any) -> Sequence[CheckMessage]:
    """With one secret alone top-ups are off, which is not what whoever set it meant."""
    if bool(settings.EGGAPI_STRIPE_SECRET_KEY) != bool(settings.EGGAPI_STRIPE_WEBHOOK_SECRET):
        return [
            Warning(
                "Top-ups with Stripe are off: one of their two secrets is missing.",
                hint="Set both EGGAPI_STRIPE_SECRET_KEY and EGGAPI_STRIPE_WEBHOOK_SECRET, or neither.",
                id="eggapi.W005",
            )
        ]
    return []


@register(Tags.security, deploy=True)
def fit_for_production(app_configs: Any, **_: Any) -> Sequence[CheckMessage]:
    return [*_addresses(), *_what_hosts_share()]


def _addresses() -> list[CheckMessage]:
    if settings.EGGAPI_PUBLIC_URL.startswith("https://"):
        return []
    if settings.EGGAPI_PUBLIC_URL:
        return [
            Warning(
                "EGGAPI_PUBLIC_URL is not https: keys and pictures travel in the clear, and cookies are not secure.",
                hint="Set EGGAPI_PUBLIC_URL to the https address that customers use.",
                id="eggapi.W001",
            )
        ]
    return [
        Warning(
            "EGGAPI_PUBLIC_URL is not set: addresses in webhooks lead to this machine only, any Host is accepted.",
            hint="Set EGGAPI_PUBLIC_URL to the https address that customers use.",
            id="eggapi.W002",
        )
    ]


def _what_hosts_share() -> list[CheckMessage]:
    """With a database server there can be several hosts, which have to agree on secrets and see the same files."""
    if on_sqlite():
        return []
    found: list[CheckMessage] = []
    if missing := [name for name in OWN_SECRETS if not os.environ.get(name)]:
        found.append(
            Warning(
                "Secrets come from secrets.json in EGGAPI_HOME, which other hosts do not have.",
                hint=f"Set {', '.join(missing)}, the same on every host.",
                id="eggapi.W003",
            )
        )
    if not settings.EGGAPI_S3_BUCKET:
        found.append(
            Warning(
                "Pictures are stored on this host, where others cannot serve them.",
                hint="Set EGGAPI_S3_BUCKET (and EGGAPI_S3_ENDPOINT, EGGAPI_S3_KEY, EGGAPI_S3_SECRET).",
                id="eggapi.W004",
            )
        )
    return found


def refuse_to_stand_alone(process: str) -> None:
    """Ends a web or worker process that is one of several, where it could not reach the others."""
    if not settings.REDIS_URL:
        sys.exit(
            f"{process} needs a broker that other processes reach: set REDIS_URL and DATABASE_URL,"
            " or run everything in one process with `manage.py serve`."
        )
    for error in no_half_state(None):
        sys.exit(f"{error.msg} {error.hint}")
