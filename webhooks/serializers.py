"""Events in the words of /v1."""

from typing import Any

import orjson

from eggapi import clock
from webhooks.models import Event


def event_body(event: Event) -> dict[str, Any]:
    """`data` is the webhook's body, null once that was forgotten."""
    return {
        "id": event.id,
        "type": event.type,
        "created_at": clock.iso(event.created_at),
        "data": orjson.loads(event.payload) if event.payload else None,
    }
