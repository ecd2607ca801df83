"""Celery's doorbells. Losing, doubling or reordering them changes nothing but latency."""

from typing import Any

from celery import shared_task
from celery.signals import worker_shutdown
from django.conf import settings

from eggapi.doorbell import ring
from generation import engine


@shared_task(name="generation.tasks.advance")
def advance(**_: Any) -> None:
    """Wakes the engine of the process this runs in."""
    engine.wake()


@shared_task(name="generation.tasks.sweep")
def sweep(**_: Any) -> None:
    """Every second, from beat: rings in case the ring of a submission was lost."""
    ring("generation.tasks.advance")


@worker_shutdown.connect
def drain(**_: Any) -> None:
    engine.stop(settings.EGGAPI_DRAIN_SECONDS)
