"""Celery's doorbells for alerts and letters. Losing, doubling or reordering their rings changes nothing but latency."""

from typing import Any

from celery import shared_task

from eggapi import alerts
from eggapi import mail as letters


@shared_task(name="eggapi.tasks.tell")
def tell(**_: Any) -> None:
    alerts.tell()


@shared_task(name="eggapi.tasks.mail")
def mail(**_: Any) -> None:
    letters.send()
