"""Who did what: rows that are written once, in the transaction of the deed."""

from typing import Any

from accounts.models import Account, AuditEntry, User
from eggapi import clock


def note(action: str, target: str, actor: User | None = None, account: Account | None = None, **detail: Any) -> None:
    """`action` reads "key.roll", `target` is what it was done to, in words for people. Nothing here may be a secret."""
    AuditEntry.objects.create(at=clock.now(), actor=actor, account=account, action=action, target=target, detail=detail)
