"""The secrets that sign an account's webhooks."""

import secrets
from base64 import b64encode
from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from accounts import auditlog
from accounts.models import Account, User
from eggapi import clock, crypto
from webhooks.models import Secret

OVERLAPS = {"now": timedelta(), "24h": timedelta(hours=24), "7d": timedelta(days=7)}
OVERLAP = "24h"


def make_first(account: Account) -> None:
    """Comes with every account, so that every webhook is signed."""
    _make(account)


@transaction.atomic
def rotate(account: Account, overlap: str = OVERLAP, actor: User | None = None) -> str:
    """Makes a new secret (`whsec_` and base64 of 32 bytes) and returns it, once.

    The newest of the older ones signs along for `overlap`, one of OVERLAPS; the others are over at once.
    """
    Account.objects.select_for_update(of=("self",)).get(pk=account.pk)  # of two rotations at once, one comes second
    now = clock.now()
    older = account.webhook_secrets.filter(expires_at__gt=now)
    newest = account.webhook_secrets.filter(expires_at=None)
    older.update(expires_at=now)
    newest.update(expires_at=now + OVERLAPS[overlap])
    secret = _make(account)
    auditlog.note("webhook_secret.rotate", str(account), actor, account, overlap=overlap)
    return secret


def live(account_ids: Collection[int], now: datetime) -> dict[int, list[Secret]]:
    """The secrets that sign now, by account: newest first, at most two."""
    usable = Secret.objects.filter(Q(expires_at=None) | Q(expires_at__gt=now), account_id__in=account_ids)
    found: dict[int, list[Secret]] = {account_id: [] for account_id in account_ids}
    for secret in usable.order_by("-created_at", "-id"):
        found[secret.account_id].append(secret)
    return {account_id: newest[:2] for account_id, newest in found.items()}


def valid_at(account_id: int, moment: datetime) -> list[Secret]:
    """Those that signed at a time in the past, as `live` orders them, as far as they are still known."""
    valid = Secret.objects.filter(Q(expires_at=None) | Q(expires_at__gt=moment), account=account_id)
    return list(valid.filter(created_at__lte=moment).order_by("-created_at", "-id")[:2])


def reveal(account: Account, actor: User | None = None) -> list[str]:
    """The live ones as printed, newest first; the audit log keeps who looked."""
    auditlog.note("webhook_secret.reveal", str(account), actor, account)
    return [secret.plain for secret in live({account.pk}, clock.now())[account.pk]]


def _make(account: Account) -> str:
    secret = "whsec_" + b64encode(secrets.token_bytes(32)).decode()
    Secret.objects.create(account=account, encrypted=crypto.encrypt(secret), created_at=clock.now())
    return secret
