"""Mail to customers: a row per letter, written in the transaction of what it tells of and sent by a worker.

So it goes out if and only if that happened, and a mail server that is away only delays it. Whoever dies between
sending a letter and deleting it sends it twice. Without a mail server a letter stays in the operators' outbox for a
week, and its links stand in the log: whoever runs EggAPI for himself needs no more.
"""

import logging
import re
import time
from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction

from eggapi import clock
from eggapi.doorbell import ring
from eggapi.models import Letter

log = logging.getLogger("eggapi.mail")

RETRY = timedelta(minutes=5)
GIVE_UP = timedelta(days=1)
KEPT = timedelta(days=7)
LINK = re.compile(r"https?://\S+")
ROUND_SECONDS = 30.0
CLAIMED_FROM = 10  # of those that are due: the others need not be read for each that is sent


def is_on() -> bool:
    """Whether there is a mail server."""
    return bool(settings.EMAIL_BACKEND != "django.core.mail.backends.console.EmailBackend")


def write(to: Iterable[str], subject: str, text: str) -> None:
    """A letter to each of these addresses: the one way out, for what allauth has to say too.

    Neither subject nor text may hold a secret that lasts. A link that works once may be in the text: the row goes
    when it is sent, and those who may read the outbox may let people in anyway.
    """
    now = clock.now()
    due = now if is_on() else None
    letters = [Letter(to=address, subject=subject, text=text, created_at=now, due_at=due) for address in to]
    Letter.objects.bulk_create(letters)
    if due:
        transaction.on_commit(_ring)
        return
    for letter in letters:
        log.info("letter kept in the outbox", extra={"to": letter.to, "subject": subject, "links": LINK.findall(text)})


def send() -> None:
    """Sends what is due, and drops what nobody would take for a day, and what was kept for a week."""
    now = clock.now()
    stale, _ = Letter.objects.filter(created_at__lt=now - GIVE_UP, due_at__isnull=False).delete()
    if stale:
        log.error("letters dropped after a day", extra={"letters": stale})
    Letter.objects.filter(created_at__lt=now - KEPT, due_at=None).delete()
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
    for letter in Letter.objects.filter(due_at__lte=now).order_by("due_at", "pk")[:CLAIMED_FROM]:
        if Letter.objects.filter(pk=letter.pk, due_at=letter.due_at).update(due_at=now + RETRY):
            return letter
    return None


def _ring() -> None:
    ring("eggapi.tasks.mail")
