"""Sending again, as people ask for: the id and the bytes stay, timestamp and signatures are new."""

from datetime import datetime
from functools import partial

import orjson
from django.db import transaction
from django.db.models import Case, F, Q, Value, When

from eggapi import clock, ids
from eggapi.addresses import check_url
from eggapi.doorbell import ring
from webhooks.events import host_of
from webhooks.models import Delivery, DeliveryQuerySet, Event

MOST_AT_ONCE = 10_000


@transaction.atomic
def resend(delivery: Delivery) -> bool:
    """One more attempt, now, whatever has come of it so far. False where one is under way, or the payload is gone."""
    now = clock.now()
    at_rest = Q(lease_until=None) | Q(lease_until__lt=now)
    asked = Delivery.objects.filter(at_rest, pk=delivery.pk, by_hand=False, event__emptied_at=None).update(
        granted=Case(When(next_run_at__isnull=False, then=F("granted") + 1), default=F("attempts") + 1),
        state=Delivery.State.DUE,
        by_hand=True,
        next_run_at=now,
        lease_until=None,
    )
    _ring()
    return bool(asked)


def recover(account_id: int, mode: str, since: datetime, until: datetime | None = None) -> int:
    """Ten more attempts for each event since then that was given up, at most MOST_AT_ONCE; returns how many."""
    gave_up = [Delivery.State.FAILED, Delivery.State.DISABLED]
    missed = _given_up(account_id, mode).filter(state__in=gave_up, created_at__gte=since)
    return _again(missed.filter(created_at__lt=until) if until else missed)


def replay(account_id: int, mode: str) -> int:
    """The same for everything that never arrived and is not on its way, what was stopped as well."""
    return _again(_given_up(account_id, mode))


@transaction.atomic
def send_test(account_id: int, mode: str, url: str) -> Delivery:
    """A test event to this address, in one attempt. Raises BadUrl."""
    check_url(url)
    now = clock.now()
    event = Event.objects.create(
        id=ids.event_id(),
        account_id=account_id,
        mode=mode,
        type=Event.Type.TEST,
        payload=orjson.dumps(_test_payload(now)),
        created_at=now,
    )
    delivery: Delivery = Delivery.objects.create(
        event=event, account_id=account_id, mode=mode, created_at=now, url=url, host=host_of(url),
        granted=1, by_hand=True, next_run_at=now,
    )  # fmt: skip
    _ring()
    return delivery


def _given_up(account_id: int, mode: str) -> DeliveryQuerySet:
    theirs: DeliveryQuerySet = Delivery.objects.filter(account_id=account_id, mode=mode).given_up()
    return theirs.filter(event__emptied_at=None).exclude(event__type=Event.Type.TEST)


@transaction.atomic
def _again(given_up: DeliveryQuerySet) -> int:
    oldest = given_up.order_by("created_at", "pk").values("pk")[:MOST_AT_ONCE]
    # Asked again of the row itself: another request may have come first, and its attempt may have arrived.
    queued: int = (
        Delivery.objects.given_up()
        .filter(pk__in=oldest)
        .update(state=Delivery.State.DUE, granted=F("attempts") + Value(Delivery.SCHEDULED), next_run_at=clock.now())
    )
    _ring()
    return queued


def _test_payload(now: datetime) -> dict[str, object]:
    """With the keys of the other events, so that any receiver can read it."""
    nothing = dict.fromkeys(["task_id", "status", "model", "output", "error"])
    data = dict.fromkeys(["metadata", "expires_at", "ended"]) | {"attempts": 0}
    told = {"cost": "0.000000", "timestamp": int(now.timestamp()), "data": data}
    return {"event": Event.Type.TEST.value, **nothing, **told}


def _ring() -> None:
    transaction.on_commit(partial(ring, "webhooks.tasks.deliver"))
