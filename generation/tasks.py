"""Celery's doorbells. Losing, doubling or reordering them changes nothing but latency."""

from typing import Any

from celery import shared_task
from celery.signals import worker_shutdown
from django.conf import settings

from eggapi.doorbell import ring
from generation import audit as books
from generation import cancel, catalog, condition, engine, export, probe, retention, standing


@shared_task(name="generation.tasks.advance")
def advance(**_: Any) -> None:
    """Wakes the engine of the process this runs in."""
    engine.wake()


@shared_task(name="generation.tasks.sweep")
def sweep(**_: Any) -> None:
    """Every second, from beat: rings in case the ring of a submission was lost."""
    ring("generation.tasks.advance")


@shared_task(name="generation.tasks.audit")
def audit(**_: Any) -> None:
    """Every hour, from beat."""
    books.watch()


@shared_task(name="generation.tasks.look")
def look(**_: Any) -> None:
    """Every minute, from beat: writes down how the service does, and puts prices into force whose time has come."""
    condition.look()
    catalog.begin_prices()


@shared_task(name="generation.tasks.withdraw")
def withdraw(*, task_id: str, **_: Any) -> None:
    """Once a task was canceled, and again when a purchase of it turns out to have been accepted."""
    cancel.withdraw(task_id)


@shared_task(name="generation.tasks.purge")
def purge(**_: Any) -> None:
    """Every five minutes, from beat."""
    retention.purge()


@shared_task(name="generation.tasks.export")
def make_exports(**_: Any) -> None:
    """Every minute, from beat, and when one is asked for."""
    export.make_due()


@shared_task(name="generation.tasks.check_providers")
def check_providers(**_: Any) -> None:
    """Every hour, from beat."""
    standing.check()


@shared_task(name="generation.tasks.probe")
def buy_probe(*, provider_id: str, **_: Any) -> None:
    """When an operator asks for a test; rung twice it buys once."""
    probe.run(int(provider_id))


@worker_shutdown.connect
def drain(**_: Any) -> None:
    engine.stop(settings.EGGAPI_DRAIN_SECONDS)
