"""The doorbell of the delivery loop."""

from celery import shared_task

from webhooks import delivery


@shared_task(name="webhooks.tasks.deliver")
def deliver() -> None:
    delivery.wake()
