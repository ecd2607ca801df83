"""Celery's doorbell for deliveries. Losing, doubling or reordering its rings changes nothing but latency."""

from typing import Any

from celery import shared_task
from celery.signals import worker_shutdown

from eggapi import clock
from webhooks import delivery, retention

DRAIN_SECONDS = 5.0


@shared_task(name="webhooks.tasks.deliver")
def deliver(**_: Any) -> None:
    """Wakes the courier of the process this runs in."""
    delivery.wake()


@shared_task(name="webhooks.tasks.purge")
def purge(**_: Any) -> None:
    """Every night, from beat."""
    retention.purge(clock.now())


@worker_shutdown.connect
def drain(**_: Any) -> None:
    delivery.stop(DRAIN_SECONDS)
