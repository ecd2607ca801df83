"""Refusals: how often the keys of an account were answered 429, per hour of the last day. Counted in the cache."""

import logging
import time
from collections.abc import Sequence

from django.core.cache import cache

from accounts.caller import Caller

log = logging.getLogger("eggapi.accounts")

HOUR = 3600
HOURS = 24
DASHBOARD = 0  # where a key's id stands, for what is sent by a browser session


def note(caller: Caller) -> None:
    """One more. A cache that is away loses it, and nothing else."""
    name = _name(caller.account_id, caller.key_id or DASHBOARD, _this_hour())
    try:
        cache.add(name, 0, timeout=(HOURS + 1) * HOUR)
        cache.incr(name)
    except Exception as error:  # the cache is the operator's to choose, and so are its exceptions
        log.warning("refusal not counted", extra={"error_type": type(error).__name__})


def read(account_id: int, key_ids: Sequence[int]) -> dict[int, list[int]]:
    """Key -> refusals in each of the last 24 hours, the present one last; nothing where the cache is away."""
    day = hours()
    names = {key: [_name(account_id, key, hour) for hour in day] for key in key_ids}
    try:
        found = cache.get_many([name for each in names.values() for name in each])
    except Exception as error:  # as above
        log.warning("refusals not read", extra={"error_type": type(error).__name__})
        return {}
    return {key: [found.get(name, 0) for name in each] for key, each in names.items()}


def hours() -> range:
    """The last 24 hours, the present one last, each in hours since 1970."""
    now = _this_hour()
    return range(now - HOURS + 1, now + 1)


def _this_hour() -> int:
    return int(time.time()) // HOUR


def _name(account_id: int, key: int, hour: int) -> str:
    return f"refused:{account_id}:{key}:{hour}"
