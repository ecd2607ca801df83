"""Selection: which of its deliveries an account wants to see."""

from django.db.models import Q

from webhooks.models import Delivery, Event

GIVEN_UP = (Delivery.State.FAILED, Delivery.State.STOPPED, Delivery.State.DISABLED)
# How a receiver answered last: the first digit of its status, or not at all.
ANSWERS = {"2": "2xx", "3": "3xx", "4": "4xx", "5": "5xx", "none": "no answer"}


def of_state(state: str) -> Q:
    """What was given up is never under way, and rare: an index holds just that."""
    return Q(state=state, delivered_at=None, next_run_at=None) if state in GIVEN_UP else Q(state=state)


def of_answer(answer: str) -> Q:
    """One of ANSWERS."""
    if answer == "none":
        return Q(attempts__gt=0, last_status=None)
    return Q(last_status__gte=int(answer) * 100, last_status__lt=int(answer) * 100 + 100)


def of_type(account_id: int, mode: str, kind: str) -> Q:
    """Tests are rare among a hundred thousand others, and known by having no place in the order."""
    if kind == Event.Type.TEST:
        return Q(event__in=Event.objects.filter(account=account_id, mode=mode, seq=None).values("pk"))
    return Q(event__type=kind)


def of_host(host: str) -> Q:
    return Q(host=host)


def of_task(task_id: str) -> Q:
    """Said so that every database begins with the task's events."""
    return Q(event__in=Event.objects.filter(task_id=task_id).values("pk"))
