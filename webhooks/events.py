"""Publishing: the event and its delivery, written in the transaction of whatever they tell about."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from urllib.parse import urlsplit

from django.db import transaction

from eggapi import ids, rows
from eggapi.addresses import DEFAULT_PORTS
from eggapi.doorbell import ring
from webhooks.models import Delivery, Event


@dataclass(frozen=True, slots=True)
class NewEvent:
    """`payload` is sent as it is, at every attempt; `seq` is the event's place in its account and mode.

    An empty `url` means that nobody asked to be called.
    """

    account_id: int
    mode: str
    seq: int
    type: str
    task_id: str
    payload: bytes
    url: str


def publish(new: Sequence[NewEvent], now: datetime) -> None:
    """Writes events and their deliveries in the caller's transaction, and rings for a courier when it commits."""
    events = [
        Event(
            id=ids.event_id(),
            account_id=event.account_id,
            mode=event.mode,
            seq=event.seq,
            type=event.type,
            task_id=event.task_id,
            payload=event.payload,
            created_at=now,
        )
        for event in new
    ]
    deliveries = [
        Delivery(
            event_id=row.id,
            account_id=event.account_id,
            mode=event.mode,
            created_at=now,
            url=event.url,
            host=host_of(event.url),
            next_run_at=now,
        )
        for row, event in zip(events, new, strict=True)
        if event.url
    ]
    rows.insert(events)
    rows.insert(deliveries)
    if deliveries:
        transaction.on_commit(partial(ring, "webhooks.tasks.deliver"))


def host_of(url: str) -> str:
    """One spelling for each receiver, that of whoever dials it, or several would each have places of their own."""
    parts = urlsplit(url)
    name = parts.hostname or ""
    if ":" not in name:
        name = name.encode("idna").decode("ascii").lower().removesuffix(".")
    return f"{name}:{parts.port or DEFAULT_PORTS[parts.scheme]}"
