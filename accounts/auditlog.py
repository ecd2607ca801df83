"""Who did what: rows that are written once, in the transaction of the deed."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from accounts.models import Account, AuditEntry, User
from eggapi import clock, whence


def note(action: str, target: str, actor: User | None = None, account: Account | None = None, **detail: Any) -> None:
    """`action` reads "key.roll", `target` is what it was done to, in words for people. Nothing here may be a secret."""
    AuditEntry.objects.create(
        at=clock.now(), actor=actor, account=account, action=action, target=target, detail=detail, ip=whence.address()
    )


@dataclass(frozen=True, slots=True)
class Line:
    """An entry for people. `who` is empty for what EggAPI did by itself, `ip` for what no request did."""

    at: datetime
    who: str
    ip: str
    action: str
    target: str
    more: str


def lines(entries: Iterable[AuditEntry]) -> list[Line]:
    """For entries that were read with their actors."""
    return [
        Line(
            at=entry.at,
            who=entry.actor.email if entry.actor else "",
            ip=entry.ip or "",
            action=entry.action,
            target=entry.target,
            more=_more(entry.detail),
        )
        for entry in entries
    ]


def _more(detail: dict[str, Any]) -> str:
    said = {name: ", ".join(map(str, value)) if isinstance(value, list) else value for name, value in detail.items()}
    return "; ".join(
        f"{name.replace('_', ' ')}: {value}" for name, value in sorted(said.items()) if value not in (None, "")
    )
