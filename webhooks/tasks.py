"""Celery's doorbell for deliveries. Losing, doubling or reordering its rings changes nothing but latency."""

from typing import Any

from celery import shared_task
from celery.signals import worker_shutdown

from webhooks import delivery

DRAIN_SECONDS = 5.0


@shared_task(name="webhooks.tasks.deliver")
def deliver(**_: Any) -> None:
    """Wakes the courier of the process this runs in."""
    delivery.wake()


@worker_shutdown.connect
def drain(**_: Any) -> None:
    delivery.stop(DRAIN_SECONDS)
