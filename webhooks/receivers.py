"""Receivers: the hosts that webhooks have gone to lately, and whether they are well."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from webhooks.models import Delivery, Origin

LATELY = timedelta(days=30)
MOST_COUNTED = 2000
MOST_SHOWN = 50


@dataclass(slots=True)
class Receiver:
    """`sent` counts deliveries, `arrived` those that did, and `waiting` those that have not yet."""

    host: str
    origin: Origin | None = None
    sent: int = 0
    arrived: int = 0
    waiting: int = 0
    last_at: datetime | None = None

    @property
    def state(self) -> str:
        """healthy, new, failing or disabled; what was only tried by hand has no origin, however it failed"""
        if self.origin:
            return "disabled" if self.origin.disabled_at else "failing"
        if self.arrived:
            return "healthy"
        return "new" if self.waiting else "failing"


def of(account_id: int, mode: str, now: datetime) -> list[Receiver]:
    """Those of the newest MOST_COUNTED deliveries, last used first; before them the ones that only fail."""
    failing = Origin.objects.filter(account=account_id).order_by("-disabled_at", "-last_failure_at")[:MOST_SHOWN]
    found = {origin.host: Receiver(origin.host, origin) for origin in failing}
    lately = Delivery.objects.filter(account=account_id, mode=mode, created_at__gte=now - LATELY)
    newest = lately.order_by("-created_at", "-pk").values_list("host", "delivered_at", "next_run_at", "created_at")
    for host, delivered_at, next_run_at, created_at in newest[:MOST_COUNTED]:
        receiver = found.setdefault(host, Receiver(host))
        receiver.sent += 1
        receiver.arrived += delivered_at is not None
        receiver.waiting += delivered_at is None and next_run_at is not None
        receiver.last_at = receiver.last_at or created_at
    return list(found.values())[:MOST_SHOWN]
