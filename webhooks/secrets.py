"""The secrets that sign an account's webhooks."""

import secrets
from base64 import b64encode
from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from accounts.models import Account
from eggapi import clock, crypto
from webhooks.models import Secret

OVERLAP = timedelta(hours=24)


def make_first(account: Account) -> None:
    """Comes with every account, so that every webhook is signed."""
    _make(account)


@transaction.atomic
def rotate(account: Account) -> str:
    """Makes a new secret (`whsec_` and base64 of 32 bytes) and returns it; the older ones sign for 24 h more."""
    now = clock.now()
    account.webhook_secrets.filter(expires_at=None).update(expires_at=now + OVERLAP)
    return _make(account)


def live(account_ids: Collection[int], now: datetime) -> dict[int, list[Secret]]:
    """The secrets that sign now, by account: newest first, at most two."""
    usable = Secret.objects.filter(Q(expires_at=None) | Q(expires_at__gt=now), account_id__in=account_ids)
    found: dict[int, list[Secret]] = {account_id: [] for account_id in account_ids}
    for secret in usable.order_by("-created_at", "-id"):
        found[secret.account_id].append(secret)
    return {account_id: newest[:2] for account_id, newest in found.items()}


def _make(account: Account) -> str:
    secret = "whsec_" + b64encode(secrets.token_bytes(32)).decode()
    Secret.objects.create(account=account, encrypted=crypto.encrypt(secret), created_at=clock.now())
    return secret
