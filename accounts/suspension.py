"""Shutting an account out: every request is refused, and what runs is finished."""

from django.db import transaction

from accounts import auditlog
from accounts.models import Account, User
from eggapi import clock


@transaction.atomic
def suspend(account: Account, actor: User | None = None, reason: str = "") -> bool:
    """False if it was suspended before. The reason stands in the audit log."""
    changed = Account.objects.filter(pk=account.pk, suspended_at=None).update(suspended_at=clock.now())
    if changed:
        auditlog.note("account.suspend", str(account), actor, account, **({"reason": reason} if reason else {}))
    return bool(changed)


@transaction.atomic
def readmit(account: Account, actor: User | None = None) -> bool:
    """False if it was not suspended."""
    changed = Account.objects.filter(pk=account.pk).exclude(suspended_at=None).update(suspended_at=None)
    if changed:
        auditlog.note("account.readmit", str(account), actor, account)
    return bool(changed)
