"""What is done with keys. Every deed is a guarded update with a line in the audit log."""

from datetime import timedelta
from typing import Any

from django.db import transaction

from accounts import auditlog, keys, letters
from accounts.fields import NewKey
from accounts.models import Account, ApiKey, User
from eggapi import clock, crypto
from eggapi.errors import BadRequest

SAME_TERMS = ("scopes", "allowed_models", "cidrs", "rate", "rate_seconds", "concurrency", "budget", "budget_period")


@transaction.atomic
def make(account: Account, mode: str, new: NewKey, actor: User | None = None) -> tuple[ApiKey, str]:
    """The key and its text, which is never seen again."""
    expires_at = clock.now() + new.expires if new.expires else None
    key, text = keys.mint(account, mode, new.name, expires_at=expires_at, **_terms(new))
    auditlog.note("key.make", str(key), actor, account)
    return key, text


@transaction.atomic
def change(key: ApiKey, new: NewKey, actor: User | None = None) -> bool:
    """Gives it another name and other terms, from the next request on; its expiry stays. False for a revoked one.

    What is left out of `new` is allowed from then on. Of a budget that was begun, what was spent of it stays spent.
    """
    columns = {"name": new.name, **_terms(new)}
    if not ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(**columns):
        return False
    changed = [column for column, value in columns.items() if getattr(key, column) != value]
    if changed:
        now_called = {"name": new.name} if "name" in changed else {}
        auditlog.note("key.change", str(key), actor, key.account, changed=changed, **now_called)
    return True


@transaction.atomic
def roll(key: ApiKey, overlap: timedelta, actor: User | None = None) -> tuple[ApiKey, str]:
    """A new key with the same terms and as long a life; the old one works for `overlap` more, but not beyond its own.

    Raises BadRequest unless the old one is usable. The new one begins a budget of its own.
    """
    now = clock.now()
    unchanged = ApiKey.objects.filter(pk=key.pk, revoked_at=None, disabled_at=None, expires_at=key.expires_at)
    ends = now + overlap
    if key.expires_at:
        ends = min(ends, key.expires_at)
    end = {"expires_at": ends} if overlap else {"revoked_at": now}
    if key.state(now) != "usable" or not unchanged.update(**end):
        raise BadRequest("Only a usable key can be rolled.")
    new, text = keys.mint(
        key.account,
        key.mode,
        key.name,
        expires_at=now + (key.expires_at - key.created_at) if key.expires_at else None,
        **{name: getattr(key, name) for name in SAME_TERMS},
    )
    auditlog.note("key.roll", str(key), actor, key.account, new=new.display, until=clock.iso(ends))
    return new, text


@transaction.atomic
def disable(key: ApiKey, actor: User | None = None) -> bool:
    """The next request with it fails, until it is enabled again. False if nothing changed, here and below."""
    changed = ApiKey.objects.filter(pk=key.pk, revoked_at=None, disabled_at=None).update(disabled_at=clock.now())
    return _note(changed, "key.disable", key, actor)


@transaction.atomic
def enable(key: ApiKey, actor: User | None = None) -> bool:
    changed = ApiKey.objects.filter(pk=key.pk, revoked_at=None).exclude(disabled_at=None).update(disabled_at=None)
    return _note(changed, "key.enable", key, actor)


@transaction.atomic
def revoke(key: ApiKey, actor: User | None = None) -> bool:
    return _note(key.revoke(), "key.revoke", key, actor)


@transaction.atomic
def revoke_all(account: Account, actor: User | None = None) -> int:
    """Of both modes; how many there were."""
    revoked = ApiKey.objects.filter(account=account, revoked_at=None).update(revoked_at=clock.now())
    if revoked:
        auditlog.note("key.revoke_all", str(account), actor, account, keys=revoked)
    return revoked


@transaction.atomic
def report(text: str) -> bool:
    """Revokes a key that somebody found where it should not be, and mails its owners. False if it was not valid."""
    if not keys.looks_right(text):
        return False
    key = ApiKey.objects.select_related("account").filter(digest__in=crypto.digests(text)).first()
    if key is None or key.state(clock.now()) in ("revoked", "expired") or not key.revoke():
        return False
    auditlog.note("key.report", str(key), account=key.account)
    letters.to_owners(key.account, "key_reported", key=key)
    return True


def _terms(new: NewKey) -> dict[str, Any]:
    calls, seconds = new.rate or (None, 60)
    return {
        "scopes": list(new.scopes),
        "allowed_models": list(new.models),
        "cidrs": list(new.cidrs),
        "rate": calls,
        "rate_seconds": seconds,
        "concurrency": new.concurrency,
        "budget": new.budget,
        "budget_period": new.budget_period,
    }


def _note(changed: int, action: str, key: ApiKey, actor: User | None) -> bool:
    if changed:
        auditlog.note(action, str(key), actor, key.account)
    return bool(changed)
