"""Telling operators: a row in the admin, a mail and a POST where those are set.

A cause is told of at most once an hour while it comes, and once more when it has ended. What is to be sent stands
in the row, so a mail server that is away only delays it.
"""

import asyncio
import logging
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import Case, F, Q, QuerySet, Value, When

from eggapi import clock
from eggapi.doorbell import ring
from eggapi.http import BadStatus, open_session, send
from eggapi.models import LONGEST_CAUSE, Alert
from eggapi.requestlog import redact

log = logging.getLogger("eggapi.alerts")

QUIET = timedelta(hours=1)
FADES = timedelta(days=1)
RETRY = timedelta(minutes=1)
ROUND_SECONDS = 30.0
CLAIMED_FROM = 10  # of those that are due: the others need not be read for each that is sent
POST_SECONDS = 10.0
REPLY_BYTES = 16 * 1024
LONGEST_TEXT = 2000


class Raised(NamedTuple):
    """`cause` is what makes it one alert ("breaker kie nano-banana"); `text` says what is the matter.

    Neither may hold a credential, a prompt or the query of a URL.
    """

    cause: str
    text: str


def report(batch: list[Raised]) -> list[None]:
    """Opens alerts or counts them up, and has operators told of those they have not heard of for an hour."""
    latest = {_name(raised.cause): redact(raised.text).replace("\0", "")[:LONGEST_TEXT] for raised in batch}
    times = Counter(_name(raised.cause) for raised in batch)
    with transaction.atomic():
        now = clock.now()
        for cause in sorted(latest):  # two batches locking in two orders would deadlock
            _count_up(cause, latest[cause], times[cause], now)
        _tell_of(Alert.objects.filter(cause__in=latest), now)
    return [None] * len(batch)


def end(causes: Sequence[str]) -> list[None]:
    """Ends those of the alerts that are open; who was told of one is told of its end."""
    with transaction.atomic():
        now = clock.now()
        for cause in sorted(map(_name, causes)):
            is_open = Alert.objects.filter(cause=cause, ended_at=None)
            told = is_open.filter(told_at__gte=F("raised_at"))
            if told.update(ended_at=now, mail_due_at=now, post_due_at=now):
                transaction.on_commit(_ring)
            is_open.update(ended_at=now)
    return [None] * len(causes)


def fade(prefix: str) -> None:
    """Ends the alerts of events, which nothing ever finds well again, once none has come for a day."""
    is_old = Alert.objects.filter(cause__startswith=prefix, ended_at=None, last_at__lte=clock.now() - FADES)
    end(list(is_old.values_list("cause", flat=True)))


def tell() -> None:
    """Sends what is due."""
    # An alert that came again within the hour of the last telling, and is still there.
    _tell_of(Alert.objects.filter(told_at__lt=F("raised_at")), clock.now())
    _send_all("mail_due_at", _mail)
    _send_all("post_due_at", _post)


def runbook(cause: str) -> str:
    """Where the operator reads what to do: /docs/operations#alert-provider-balance for "provider:kie:balance"."""
    kind, *rest = re.split("[: ]", cause)
    return f"/docs/operations#alert-{kind}" + (f"-{rest[-1]}" if kind == "provider" and rest else "")


# -- rows ------------------------------------------------------------------------------------------


def _name(cause: str) -> str:
    return cause[:LONGEST_CAUSE]


def _count_up(cause: str, text: str, times: int, now: datetime) -> None:
    Alert.objects.bulk_create(
        [Alert(cause=cause, text=text, count=0, raised_at=now, last_at=now)], ignore_conflicts=True
    )
    Alert.objects.filter(cause=cause).update(
        text=text,
        count=Case(When(ended_at=None, then=F("count")), default=Value(0)) + times,
        raised_at=Case(When(ended_at=None, then=F("raised_at")), default=Value(now)),
        last_at=now,
        ended_at=None,
    )


def _tell_of(alerts: QuerySet[Alert], now: datetime) -> None:
    """Of several processes that come at once, one changes the rows."""
    not_lately = Q(told_at=None) | Q(told_at__lte=now - QUIET)
    if alerts.filter(not_lately, ended_at=None).update(told_at=now, mail_due_at=now, post_due_at=now):
        transaction.on_commit(_ring)


def _ring() -> None:
    ring("eggapi.tasks.tell")


# -- sending ---------------------------------------------------------------------------------------


def _send_all(due: str, send_one: Callable[[Alert], None]) -> None:
    """Until the first failure: whoever has not answered once is left alone until the next sweep."""
    until = time.monotonic() + ROUND_SECONDS
    while time.monotonic() < until and (alert := _claim(due)):
        try:
            send_one(alert)
        except Exception as error:  # whatever is wrong with somebody else's server
            log.warning("alert not sent", extra={"alert": alert.cause, "error_type": type(error).__name__})
            return
        Alert.objects.filter(pk=alert.pk, **{due: getattr(alert, due)}).update(**{due: None})


def _claim(due: str) -> Alert | None:
    """The alert that has waited longest. Nobody else sends it before it is due again, should this fail."""
    now = clock.now()
    for alert in Alert.objects.filter(**{f"{due}__lte": now}).order_by(due)[:CLAIMED_FROM]:
        if Alert.objects.filter(pk=alert.pk, **{due: getattr(alert, due)}).update(**{due: now + RETRY}):
            setattr(alert, due, now + RETRY)
            return alert
    return None


def _mail(alert: Alert) -> None:
    if settings.EGGAPI_OPS_EMAIL:
        page = f"{settings.EGGAPI_PUBLIC_URL or settings.EGGAPI_LOCAL_URL}/admin/eggapi/alert/"
        times = f"{alert.count} times since {clock.iso(alert.raised_at)}, last at {clock.iso(alert.last_at)}"
        ended = f"\nEnded at {clock.iso(alert.ended_at)}." if alert.ended_at else ""
        subject = f"[EggAPI] {alert.state}: {' '.join(alert.cause.split())}"
        send_mail(subject, f"{alert.text}\n\n{times}.{ended}\n{page}\n", None, [settings.EGGAPI_OPS_EMAIL])


def _post(alert: Alert) -> None:
    if settings.EGGAPI_OPS_WEBHOOK:
        asyncio.run(_post_to(settings.EGGAPI_OPS_WEBHOOK, alert))


async def _post_to(url: str, alert: Alert) -> None:
    body = {
        "cause": alert.cause,
        "text": alert.text,
        "count": alert.count,
        "state": alert.state,
        "at": clock.iso(alert.ended_at or alert.last_at),
    }
    async with open_session("operator") as session:
        reply = await send(session, "POST", url, json=body, timeout=POST_SECONDS, cap=REPLY_BYTES, cut=True)
    if not 200 <= reply.status < 300:
        raise BadStatus(reply.status)
