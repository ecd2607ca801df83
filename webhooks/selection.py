"""Selection: which of its deliveries an account wants to see."""

from typing import Any

from webhooks.models import Delivery

GIVEN_UP = (Delivery.State.FAILED, Delivery.State.STOPPED, Delivery.State.DISABLED)
# How a receiver answered last: the first digit of its status, or not at all.
ANSWERS = {"2": "2xx", "3": "3xx", "4": "4xx", "5": "5xx", "none": "no answer"}


def of_state(state: str) -> dict[str, Any]:
    """As lookups. What was given up is never under way, and rare: an index holds just that."""
    return {"state": state} | ({"delivered_at": None, "next_run_at": None} if state in GIVEN_UP else {})


def of_answer(answer: str) -> dict[str, Any]:
    """As lookups, for one of ANSWERS."""
    if answer == "none":
        return {"attempts__gt": 0, "last_status": None}
    return {"last_status__gte": int(answer) * 100, "last_status__lt": int(answer) * 100 + 100}
