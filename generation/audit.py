"""Audit: what tasks say of themselves, against their holds, images, usage and events."""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.core.cache import cache
from redis import RedisError

import billing.audit
from eggapi import alerts, clock
from eggapi.alerts import Raised
from eggapi.audit import Check, drift, snapshot
from generation import margin

ALERT = "audit_ledger"
KEPT = "audit:last"
MARGIN_DAYS = 30

TASKS = (
    Check(
        "{0} is {1}, but has no hold",
        """
        SELECT t.id, t.status FROM generation_task t LEFT JOIN billing_hold h ON h.task_id = t.id
        WHERE h.task_id IS NULL
        """,
    ),
    Check(
        "{0} has a hold that is {1}, but is no task",
        """
        SELECT h.task_id, h.state FROM billing_hold h LEFT JOIN generation_task t ON t.id = h.task_id
        WHERE t.id IS NULL
        """,
    ),
    Check(
        "{0} is {1}, but its hold is {2}",
        """
        SELECT t.id, t.status, h.state FROM generation_task t JOIN billing_hold h ON h.task_id = t.id
        WHERE h.state <> CASE t.status WHEN 'completed' THEN 'captured' WHEN 'failed' THEN 'released' ELSE 'open' END
        """,
    ),
    Check(
        "{0} of account {1} {2} holds {3:$} in wallet {4} for {5} images at {6:$}",
        """
        SELECT t.id, t.account_id, t.mode, h.amount, h.wallet_id, t.num_outputs, t.unit_price FROM generation_task t
        JOIN billing_hold h ON h.task_id = t.id JOIN billing_wallet w ON w.id = h.wallet_id
        WHERE w.account_id <> t.account_id OR w.mode <> t.mode OR h.amount <> t.unit_price * t.num_outputs
        """,
    ),
    Check(
        "{0} cost {1:$}, and {2:$} was captured, for {3} images at {4:$}",
        """
        SELECT t.id, t.cost, h.captured, COALESCE(o.images, 0), t.unit_price FROM generation_task t
        JOIN billing_hold h ON h.task_id = t.id
        LEFT JOIN (SELECT task_id, COUNT(*) AS images FROM generation_output GROUP BY task_id) o ON o.task_id = t.id
        WHERE t.cost <> h.captured OR t.cost <> t.unit_price * COALESCE(o.images, 0)
        """,
    ),
    Check(
        "{0} has a usage of {1} units of {2} {3} by key {4}, which is not what the task says",
        """
        SELECT t.id, u.units, u.model, u.type, COALESCE(u.key_id, 0) FROM generation_task t
        JOIN billing_usagerecord u ON u.task_id = t.id
        WHERE u.cost <> t.cost OR u.unit_price <> t.unit_price OR u.model <> t.model OR u.type <> t.type
            OR u.account_id <> t.account_id OR u.mode <> t.mode OR COALESCE(u.key_id, 0) <> COALESCE(t.key_id, 0)
        """,
    ),
)

NEWS = (
    Check(
        "{0} is {1}, but there is no event of it",
        """
        SELECT t.id, t.status FROM generation_task t
        LEFT JOIN webhooks_event e ON e.task_id = t.id AND e.type = 'task.' || t.status
        WHERE t.status IN ('completed', 'failed') AND e.id IS NULL
        """,
    ),
    Check(
        "{0} is {1}, but nobody is told",
        """
        SELECT t.id, t.status FROM generation_task t
        WHERE t.status IN ('completed', 'failed') AND t.webhook_url <> '' AND NOT EXISTS (
            SELECT 1 FROM webhooks_event e JOIN webhooks_delivery d ON d.event_id = e.id WHERE e.task_id = t.id
        )
        """,
    ),
)


def audit() -> list[str]:
    """A sentence for every task that does not agree with its money, its images or its events."""
    return drift(TASKS + NEWS)


def audit_ledger() -> list[str]:
    """The books and the tasks together, as of one moment."""
    with snapshot():
        return billing.audit.audit() + audit()


class RouteMargin(NamedTuple):
    """Of the last MARGIN_DAYS days, in micro-dollars; `leak` is the part of `cost` that brought nobody anything."""

    route: str
    provider: str
    revenue: int
    cost: int
    leak: int

    @property
    def left(self) -> int:
        return self.revenue - self.cost


class Found(NamedTuple):
    """What the last audit by a worker found, for pages that cannot wait for one. `drift` is empty where all agrees."""

    at: datetime
    seconds: float
    drift: Sequence[str]
    totals: str
    margins: Sequence[RouteMargin]


def watch() -> None:
    """Alerts the operator while anything drifts, and keeps what was found for `last`."""
    began, at = time.monotonic(), clock.now()
    with snapshot():
        found, totals = audit_ledger(), billing.audit.totals()
        margins = [
            RouteMargin(str(each.route), each.route.provider.name, each.revenue, each.cost, each.leak)
            for each in margin.by_route(MARGIN_DAYS)
        ]
    if found:
        alerts.report([Raised(ALERT, "The ledger drifts:\n" + "\n".join(found))])
    else:
        alerts.end([ALERT])
    cache.set(KEPT, Found(at, time.monotonic() - began, found, totals, margins), timeout=None)


def last() -> Found | None:
    """None where no worker has looked since cache or broker were emptied, or they are away."""
    try:
        kept: Found | None = cache.get(KEPT)
    except RedisError:
        return None
    return kept
