"""The secrets that sign an account's webhooks."""

import secrets
from base64 import b64encode
from datetime import timedelta

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


def live(account_id: int) -> list[str]:
    """The secrets that sign now, newest first, at most two."""
    usable = Secret.objects.filter(Q(expires_at=None) | Q(expires_at__gt=clock.now()), account_id=account_id)
    return [crypto.decrypt(secret.encrypted) for secret in usable.order_by("-created_at", "-id")[:2]]


def _make(account: Account) -> str:
    secret = "whsec_" + b64encode(secrets.token_bytes(32)).decode()
    Secret.objects.create(account=account, encrypted=crypto.encrypt(secret), created_at=clock.now())
    return secret
