"""The price a task was accepted at is the one it is settled at, and the task says which rule set it."""

import pytest

from billing.models import UsageRecord
from eggapi import clock
from generation import catalog
from generation.models import ImageModel, Price, Task
from generation.settle import Ending, settle
from generation.storage import Picture
from tests.customer import Customer

pytestmark = pytest.mark.django_db


@pytest.fixture
def dearer(on_sale: None, customer: Customer) -> tuple[Task, Task]:
    """A task accepted before the price rose, and one after."""
    task_ids = [customer.generate(num_outputs=2).data["id"]]
    model = ImageModel.objects.get(name="nanobanana")
    Price.objects.create(model=model, resolution="1k", amount=25_000, since=clock.now())
    catalog.changed()
    catalog._forget()
    task_ids.append(customer.generate(num_outputs=2).data["id"])
    before, after = (Task.objects.select_related("price").get(pk=task_id) for task_id in task_ids)
    return before, after


@pytest.fixture
def customer(on_sale: None) -> Customer:
    return Customer()


def test_a_task_names_its_price(dearer: tuple[Task, Task]) -> None:
    for task in dearer:
        assert task.price
        assert (task.price.amount, task.price.resolution) == (task.unit_price, "1k")
    before, after = dearer
    assert (before.unit_price, after.unit_price) == (10_000, 25_000)
    assert before.price_id != after.price_id


def test_a_change_of_price_changes_no_task_that_was_accepted(customer: Customer, dearer: tuple[Task, Task]) -> None:
    picture = Picture(0, "0.png", "image/png", 1, 1, 1)
    for task in dearer:
        assert settle([Ending(task, "done", pictures=[picture], fenced=False)]) == [True]
    assert list(UsageRecord.objects.order_by("id").values_list("cost", flat=True)) == [10_000, 25_000]
    assert customer.wallet.available == 100_000_000 - 35_000
