"""Mail to customers: a row per letter, written in the transaction of what it tells of and sent by a worker.

So it goes out if and only if that happened, and a mail server that is away only delays it. Whoever dies between
sending a letter and deleting it sends it twice.
"""

import logging
import time
from collections.abc import Iterable
from datetime import timedelta

from django.core.mail import send_mail
from django.db import transaction

from eggapi import clock
from eggapi.doorbell import ring
from eggapi.models import Letter

log = logging.getLogger("eggapi.mail")

RETRY = timedelta(minutes=5)
GIVE_UP = timedelta(days=1)
ROUND_SECONDS = 30.0


def write(to: Iterable[str], subject: str, text: str) -> None:
    """A letter to each of these addresses. Neither subject nor text may hold a secret."""
    now = clock.now()
    Letter.objects.bulk_create(
        Letter(to=address, subject=subject, text=text, created_at=now, due_at=now) for address in to
    )
    transaction.on_commit(_ring)


def send() -> None:
    """Sends what is due, and drops what nobody would take for a day."""
    stale, _ = Letter.objects.filter(created_at__lt=clock.now() - GIVE_UP).delete()
    if stale:
        log.error("letters dropped after a day", extra={"letters": stale})
    until = time.monotonic() + ROUND_SECONDS
    while time.monotonic() < until and (letter := _claim()):
        try:
            send_mail(letter.subject, letter.text, None, [letter.to])
        except Exception as error:  # whatever is wrong with somebody else's server
            log.warning("letter not sent", extra={"letter": letter.pk, "error_type": type(error).__name__})
        else:
            letter.delete()


def _claim() -> Letter | None:
    """The letter that has waited longest. Nobody else sends it before it is due again, should this fail."""
    now = clock.now()
    for letter in Letter.objects.filter(due_at__lte=now).order_by("due_at", "pk"):
        if Letter.objects.filter(pk=letter.pk, due_at=letter.due_at).update(due_at=now + RETRY):
            return letter
    return None


def _ring() -> None:
    ring("eggapi.tasks.mail")
