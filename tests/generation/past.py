"""Tasks that are over, or under way, without anybody having worked on them."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import F

from billing.models import Wallet
from eggapi import clock
from generation.models import UNFINISHED, Output, Status, Task
from tests.customer import Customer

PRICE = 10_000
SECRETS = {
    "prompt": "PROMPT completed https://prompt.example/",
    "negative_prompt": "NEGATIVE",
    "webhook_url": "https://webhook.example/",
    "image_urls": ["https://reference.example/a.png"],
}


def add_task(
    customer: Customer, status: str = "pending", *, outputs: int = 1, at: datetime | None = None, **fields: Any
) -> Task:
    """A task of the customer with everything in its row that a reply must not show."""
    at = at or clock.now() - timedelta(minutes=1)
    terminal = status not in UNFINISHED
    task = Task(
        account=customer.account,
        mode=customer.mode,
        key=customer.key,
        request_digest=b"",
        model="nanobanana",
        type="image_generate",
        aspect_ratio="16:9",
        resolution="1k",
        num_outputs=4,
        unit_price=PRICE,
        cost=outputs * PRICE if status == Status.COMPLETED else 0,
        status=status,
        error="Content moderation: no" if status == Status.FAILED else "",
        created_at=at,
        started_at=None if status == Status.PENDING else at + timedelta(seconds=1),
        completed_at=at + timedelta(seconds=12) if terminal else None,
        expires_at=at + timedelta(days=15) if terminal else None,
        next_run_at=None if terminal else at,
        deadline_seconds=300,
        deadline_at=at + timedelta(seconds=300),
    )
    for name, value in (SECRETS | fields).items():
        setattr(task, name, value)
    task.save(force_insert=True)
    Wallet.objects.filter(account=customer.account, mode=customer.mode).update(task_count=F("task_count") + 1)
    if status == Status.COMPLETED:
        Output.objects.bulk_create(_output(task, index) for index in reversed(range(outputs)))
    return task


def _output(task: Task, index: int) -> Output:
    path = f"images/{task.id}/{task.path_token}/{index}.png"
    return Output(task=task, index=index, path=path, content_type="image/png", bytes=1, width=1, height=1)
