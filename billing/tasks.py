"""Celery's doorbells. Losing, doubling or reordering them changes nothing but latency."""

from typing import Any

from celery import shared_task

from billing import spending


@shared_task(name="billing.tasks.warn")
def warn(**_: Any) -> None:
    """Every minute, from beat."""
    spending.warn()
