"""The key that an account begins with: ready when its first page opens, and shown for an hour or until it is put away.

Only its digest is kept, like any key's. Its text travels encrypted in the session of whoever had it made.
"""

from datetime import timedelta

from cryptography.fernet import InvalidToken
from django.contrib.sessions.backends.base import SessionBase

from accounts import keyring
from accounts.fields import NewKey
from accounts.models import Account, ApiKey, Mode, User
from eggapi import clock, crypto

NAME = "First key"
SLOT = "first_key"
SHOWN_FOR = timedelta(hours=1)


def make(session: SessionBase, account: Account, actor: User) -> None:
    """A test key, which this session shows until `put_away`."""
    _, text = keyring.make(account, Mode.TEST, NewKey(NAME), actor)
    session[SLOT] = crypto.encrypt(text)


def shown(session: SessionBase, account: Account) -> str:
    """Its text; empty once it was put away or revoked, after an hour, and for another account."""
    sealed = session.get(SLOT)
    if not sealed:
        return ""
    try:
        text = crypto.decrypt(sealed)
    except InvalidToken:
        return ""
    fresh = ApiKey.objects.filter(created_at__gt=clock.now() - SHOWN_FOR, revoked_at=None)
    mine = fresh.filter(digest__in=crypto.digests(text), account=account)
    return text if mine.exists() else ""


def put_away(session: SessionBase) -> None:
    """From here on nobody sees it again."""
    session.pop(SLOT, None)
