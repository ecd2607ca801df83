"""Events, deliveries and origins in the words of /v1."""

from datetime import datetime
from typing import Any

import orjson

from eggapi import clock
from webhooks.models import Delivery, DeliveryAttempt, Event, Origin


def event_body(event: Event) -> dict[str, Any]:
    """`data` is the webhook's body, null once that was forgotten."""
    return {
        "id": event.id,
        "type": event.type,
        "created_at": clock.iso(event.created_at),
        "data": orjson.loads(event.payload) if event.payload else None,
    }


def delivery_body(delivery: Delivery) -> dict[str, Any]:
    """Known by its event, of which it is the only delivery: a number would tell how many there are."""
    return {
        "id": delivery.event_id,
        "type": delivery.event.type,
        "task_id": delivery.event.task_id,
        "url": delivery.url,
        "host": delivery.host,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "most_attempts": delivery.granted,
        "last_status": delivery.last_status,
        "last_error": delivery.last_error,
        "created_at": clock.iso(delivery.created_at),
        "next_attempt_at": _moment(delivery.next_run_at),
        "delivered_at": _moment(delivery.delivered_at),
    }


def delivery_in_full(delivery: Delivery) -> dict[str, Any]:
    """With what is sent, null once it is forgotten, and every attempt that is still remembered."""
    event = delivery.event
    return {
        **delivery_body(delivery),
        "payload": None if event.emptied_at else bytes(event.payload).decode(),
        "log": [_attempt_body(attempt) for attempt in delivery.log.order_by("n")],
    }


def origin_body(origin: Origin) -> dict[str, Any]:
    return {
        "host": origin.host,
        "state": "disabled" if origin.disabled_at else "failing",
        "failures": origin.failures,
        "first_failure_at": clock.iso(origin.first_failure_at),
        "last_failure_at": clock.iso(origin.last_failure_at),
        "last_error": origin.last_error,
        "disabled_at": _moment(origin.disabled_at),
    }


def _attempt_body(attempt: DeliveryAttempt) -> dict[str, Any]:
    return {
        "n": attempt.n,
        "at": clock.iso(attempt.at),
        "by_hand": attempt.by_hand,
        "status": attempt.status,
        "error": attempt.error,
        "milliseconds": attempt.milliseconds,
        "reply": attempt.reply,
    }


def _moment(value: datetime | None) -> str | None:
    return clock.iso(value) if value else None
