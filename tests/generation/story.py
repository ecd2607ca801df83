"""Tasks with all that belongs to them, as far as one test needs, without anybody having worked on them."""

from datetime import timedelta
from typing import Any

from accounts.caller import Caller
from accounts.models import ApiKey
from eggapi import batch, clock
from generation.models import Attempt, Purchase, Route, Task
from generation.settle import Ending, settle
from generation.storage import Picture
from generation.submit import submit
from tests.member import Person
from webhooks.models import Delivery, DeliveryAttempt

UPSTREAM = "job-of-the-vendor"


def make(person: Person, key: ApiKey | None = None, mode: str = "test", **fields: Any) -> Task:
    """Accepted, and paid for by a hold."""
    caller = Caller(person.account.pk, mode, key.pk if key else None)
    task, _ = submit(caller, {"model": "nanobanana", "prompt": "an egg"} | fields)
    return task


def end(task: Task, images: int = 1, ended: str = "no_image", error: str = "No.") -> Task:
    """Completed with so many images, failed without any."""
    pictures = [
        Picture(n, f"images/{task.pk}/{task.path_token}/{n}.png", "image/png", 1200, 640, 360) for n in range(images)
    ]
    ending = Ending(Task.objects.get(pk=task.pk), "completed" if images else ended, error, pictures, fenced=False)
    assert batch.run(settle, [ending]) == [True]
    task.refresh_from_db()
    return task


def tried(task: Task, n: int, outcome: str = "", seconds: float = 1) -> Attempt:
    """Route n of the sandbox, tried for a second: it delivered, or came to the outcome."""
    route = Route.objects.filter(model__name=task.model).order_by("priority")[n - 1]
    start = task.created_at + timedelta(seconds=n * seconds)
    attempt: Attempt = Attempt.objects.create(
        id=Attempt.id_of(task.pk, n), task=task, n=n, route=route, state="failed" if outcome else "done",
        outcome=outcome, message=f"{UPSTREAM} said no", started_at=start, ended_at=start + timedelta(seconds=seconds),
    )  # fmt: skip
    Purchase.objects.create(
        client_ref=f"{attempt.pk}.0", attempt=attempt, index=0, first_image=0, images_asked=1, state="done",
        upstream_id=UPSTREAM, polls=3, cost=4567, sent_at=start,
    )  # fmt: skip
    return attempt


def called(task: Task, status: int, reply: str = "", later: timedelta = timedelta()) -> None:
    """The receiver of the task's webhook was called, and answered this."""
    delivery = Delivery.objects.get(event__task_id=task.pk)
    DeliveryAttempt.objects.create(
        delivery=delivery, n=delivery.log.count() + 1, at=clock.now() + later, status=status, milliseconds=40,
        reply=reply,
    )  # fmt: skip
    if status < 300:
        Delivery.objects.filter(pk=delivery.pk).update(state="delivered", delivered_at=clock.now(), next_run_at=None)
