"""Keys in the words of /v1."""

from datetime import datetime
from typing import Any

from accounts.fields import SECONDS
from accounts.models import ApiKey
from eggapi import clock, money

TIMES = {seconds: time for time, seconds in SECONDS.items()}


def key_body(key: ApiKey, now: datetime, text: str = "") -> dict[str, Any]:
    """`text` is the key itself, just made: nobody can show it later."""
    return {
        "id": key.pk,
        **({"key": text} if text else {}),
        "name": key.name,
        "display": key.display,
        "mode": key.mode,
        "state": key.state(now),
        "scopes": key.scopes,
        "models": key.allowed_models,
        "cidrs": key.cidrs,
        "rate": rate_text(key),
        "concurrency": key.concurrency,
        "budget": None if key.budget is None else money.display(key.budget),
        "budget_period": key.budget_period or None,
        "created_at": clock.iso(key.created_at),
        "last_used_at": _moment(key.last_used_at),
        "expires_at": _moment(key.expires_at),
    }


def rate_text(key: ApiKey) -> str | None:
    """20/minute, as it was written when the key was made."""
    return f"{key.rate}/{TIMES[key.rate_seconds]}" if key.rate else None


def _moment(moment: datetime | None) -> str | None:
    return clock.iso(moment) if moment else None
