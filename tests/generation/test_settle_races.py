"""Two workers that settle the same tasks: each task ends once, and neither waits for the other for good."""

import random

import pytest

import billing.audit
from eggapi import batch
from generation.audit import audit
from generation.models import Task
from generation.settle import Ending, settle
from generation.storage import Picture
from tests.customer import Customer, at_once


@pytest.mark.django_db(transaction=True)
def test_overlapping_batches_settle_each_task_once(on_sale: None, caplog: pytest.LogCaptureFixture) -> None:
    customers = [Customer(f"{n}@example.com") for n in range(2)]
    waiting = [customer.generate(num_outputs=2).data["id"] for customer in customers for _ in range(50)]

    def work(n: int) -> list[str]:
        dice, won = random.Random(n), []
        for _ in range(5):
            tasks = list(Task.objects.filter(pk__in=dice.sample(waiting, 64)))
            dice.shuffle(tasks)
            results = batch.run(settle, [ending(task, dice.randrange(3)) for task in tasks])
            won += [task.id for task, result in zip(tasks, results, strict=True) if result is True]
        return won

    won = [task_id for worker in at_once(4, work) for task_id in worker]
    assert [record for record in caplog.records if record.name == "eggapi.batch"] == []
    assert sorted(won) == sorted(Task.objects.exclude(status="pending").values_list("id", flat=True))
    assert billing.audit.audit() + audit() == []


def ending(task: Task, images: int) -> Ending:
    pictures = [Picture(n, f"{n}.png", "image/png", 1, 1, 1) for n in range(images)]
    return Ending(task, "done", "Nothing came of it.", pictures, fenced=False)
