"""Switches: what operators have switched off for now. What is on has no row."""

import threading
import time

from django.db import transaction

from eggapi import clock
from eggapi.errors import ServiceUnavailable
from eggapi.models import Switch

FRESH_SECONDS = 1.0
RETRY_AFTER = 30
LONGEST_REASON = 200


class _Panel:
    """What this process last read."""

    def __init__(self) -> None:
        self.off: dict[str, Switch] = {}
        self.read_at = float("-inf")
        self.lock = threading.Lock()


_panel = _Panel()


@transaction.atomic
def pause(name: str, reason: str, by: str) -> bool:
    """Switches `name` off in every process within a second, or gives it a new reason; True where it was on."""
    values = {"reason": reason[:LONGEST_REASON], "by": by, "at": clock.now()}
    _, is_new = Switch.objects.update_or_create(name=name, defaults=values)
    transaction.on_commit(forget)
    return is_new


@transaction.atomic
def resume(name: str) -> bool:
    """False where it was on."""
    deleted, _ = Switch.objects.filter(pk=name).delete()
    transaction.on_commit(forget)
    return bool(deleted)


def off(name: str) -> Switch | None:
    """What was switched off, with who did it and why, as of a second ago; None for what is on."""
    if time.monotonic() - _panel.read_at > FRESH_SECONDS:
        with _panel.lock:
            if time.monotonic() - _panel.read_at > FRESH_SECONDS:
                _panel.off = {row.name: row for row in Switch.objects.all()}
                _panel.read_at = time.monotonic()
    return _panel.off.get(name)


def check(name: str, what: str) -> None:
    """Raises ServiceUnavailable, with `what` and the operator's reason, where `name` is switched off."""
    if found := off(name):
        text = f"{what}: {found.reason.rstrip('.')}." if found.reason else f"{what}."
        raise ServiceUnavailable(text, retry_after=RETRY_AFTER)


def forget() -> None:
    """Reads anew at the next look."""
    _panel.read_at = float("-inf")
