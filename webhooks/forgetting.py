"""Forgetting: what webhooks keep of a task or an account that is to be forgotten."""

from collections.abc import Sequence
from datetime import datetime

from webhooks.models import Delivery, Event, Origin, Secret

BATCH = 500


def forget_tasks(task_ids: Sequence[str], now: datetime) -> None:
    """Empties their events, in the caller's transaction; nothing more is sent of them."""
    events = Event.objects.filter(task_id__in=task_ids, emptied_at=None)
    Delivery.objects.filter(event__in=events.values("pk"), next_run_at__isnull=False).end(
        Delivery.State.STOPPED, "deleted"
    )
    events.update(payload=b"", emptied_at=now)


def forget_account(account_id: int, now: datetime) -> None:
    """Deletes its receivers, what they answered, and its secrets; of its events there stays that they were."""
    deliveries = Delivery.objects.filter(account_id=account_id)
    while ids := list(deliveries.values_list("pk", flat=True)[:BATCH]):
        Delivery.objects.filter(pk__in=ids).delete()
    events = Event.objects.filter(account_id=account_id, emptied_at=None)
    while names := list(events.values_list("pk", flat=True)[:BATCH]):
        Event.objects.filter(pk__in=names).update(payload=b"", emptied_at=now)
    Secret.objects.filter(account_id=account_id).delete()
    Origin.objects.filter(account_id=account_id).delete()
