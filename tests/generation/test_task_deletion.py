"""DELETE /v1/tasks/{id}: what was sent and drawn is gone at once; what it cost stays."""

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage, default_storage
from pytest_django import Settings

from eggapi import clock
from generation import retention, storage
from generation.models import Attempt, Purchase, Route, Task
from tests.customer import Customer
from tests.emulators.upstream import picture
from tests.generation.past import add_task
from webhooks.events import NewEvent, publish
from webhooks.models import Delivery, Event

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def files(settings: Settings, tmp_path: Path) -> Path:
    options = settings.STORAGES["default"]["OPTIONS"] | {"location": tmp_path / "files"}
    settings.STORAGES = settings.STORAGES | {"default": settings.STORAGES["default"] | {"OPTIONS": options}}
    return tmp_path / "files"


@pytest.fixture
def alice() -> Customer:
    return Customer()


def completed(customer: Customer, **fields: Any) -> Task:
    task = add_task(customer, "completed", metadata={"order": "PRIVATE"}, **fields)
    store(task)
    publish(
        [NewEvent(task.account_id, task.mode, 1, "task.completed", task.pk, b"PRIVATE", task.webhook_url)], clock.now()
    )
    return task


def store(task: Task) -> None:
    storage.store(task.pk, task.path_token, 0, io.BytesIO(picture("16:9", "1k")))


def is_stored(task: Task) -> bool:
    return default_storage.exists(f"{storage.folder_of(task.pk, task.path_token)}/0.png")


def delete(customer: Customer, task: Task, **headers: str) -> Any:
    return customer.send("DELETE", f"/v1/tasks/{task.pk}", **headers)


def test_it_works(alice: Customer) -> None:
    task, other = completed(alice), add_task(alice, "completed")
    before = alice.get(f"/v1/tasks/{task.pk}").data
    answer = delete(alice, task)
    assert answer.status == 200
    assert answer.data == alice.get(f"/v1/tasks/{task.pk}").data == {k: v for k, v in before.items() if k != "output"}
    task.refresh_from_db()
    assert (task.prompt, task.negative_prompt, task.image_urls, task.metadata) == ("", "", [], None)
    assert (task.wiped_at is None, is_stored(task)) == (False, False)
    assert alice.http.get(before["output"]["url"].partition("testserver")[2]).status_code == 404
    other.refresh_from_db()
    assert (other.prompt, other.wiped_at) == ("PROMPT completed https://prompt.example/", None)


def test_what_it_cost_stays(alice: Customer) -> None:
    task = completed(alice, outputs=3)
    delete(alice, task)
    task.refresh_from_db()
    assert (task.cost, task.unit_price, task.model, task.outputs.count()) == (30_000, 10_000, "nanobanana", 3)


def test_nothing_more_is_told_of_it(alice: Customer) -> None:
    delete(alice, completed(alice))
    event, delivery = Event.objects.get(), Delivery.objects.get()
    assert (bytes(event.payload), event.emptied_at is None) == (b"", False)
    assert (delivery.state, delivery.next_run_at) == ("stopped", None)


@pytest.mark.usefixtures("on_sale")
def test_what_vendors_were_told_is_forgotten(alice: Customer) -> None:
    task = completed(alice)
    attempt = Attempt.objects.create(
        id=f"{task.pk}.1",
        task=task,
        n=1,
        route=Route.objects.all()[0],
        state="done",
        message="PRIVATE",
        started_at=clock.now(),
    )
    purchase = Purchase.objects.create(
        client_ref="c", attempt=attempt, index=0, first_image=0, images_asked=1, state="done", message="PRIVATE",
        upstream_id="PRIVATE", hint="PRIVATE", images=[{"path": "PRIVATE"}], cost=7, sent_at=clock.now(),
    )  # fmt: skip
    delete(alice, task)
    attempt.refresh_from_db()
    purchase.refresh_from_db()
    assert (attempt.message, purchase.message, purchase.upstream_id, purchase.hint) == ("", "", "", "")
    assert (purchase.images, purchase.cost) == ([], 7)


def test_it_can_be_asked_for_again(alice: Customer) -> None:
    task = completed(alice)
    assert [delete(alice, task).status for _ in range(2)] == [200, 200]


def test_what_arrives_late_goes_too(alice: Customer) -> None:
    task = completed(alice)
    delete(alice, task)
    store(task)
    Task.objects.filter(pk=task.pk).update(purge_at=clock.now())
    retention.purge()
    assert not is_stored(task)


@pytest.mark.parametrize("status", ["pending", "processing"])
def test_it_rejects_an_unfinished_task(alice: Customer, status: str) -> None:
    task = add_task(alice, status)
    answer = delete(alice, task)
    assert (answer.refusal, answer.error["message"]) == (
        (400, "BAD_REQUEST"),
        "This task has not ended: cancel it first.",
    )
    task.refresh_from_db()
    assert task.prompt


def test_it_says_so_while_the_pictures_cannot_be_removed(alice: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise ConnectionError

    task = completed(alice)
    with monkeypatch.context() as broken:
        broken.setattr(FileSystemStorage, "delete", away)
        assert delete(alice, task).refusal == (503, "SERVICE_UNAVAILABLE")
    task.refresh_from_db()
    assert (task.prompt, is_stored(task), task.purge_at is None) == ("", True, False)
    assert delete(alice, task).status == 200
    assert not is_stored(task)


def test_a_stranger_finds_nothing(alice: Customer) -> None:
    task, bob = completed(alice), Customer("bob@example.com")
    assert delete(bob, task).refusal == (404, "NOT_FOUND")
    assert delete(Customer(mode="live"), task).refusal == (404, "NOT_FOUND")
    assert alice.send("DELETE", "/v1/tasks/gen_%00").refusal == (404, "NOT_FOUND")
    task.refresh_from_db()
    assert (task.wiped_at, is_stored(task), bool(task.prompt)) == (None, True, True)


@pytest.mark.parametrize(("scopes", "status"), [(["generate"], 200), (["tasks:read", "usage:read"], 403)])
def test_a_key_needs_the_scope(alice: Customer, scopes: list[str], status: int) -> None:
    task = completed(alice)
    alice.key.scopes = scopes
    alice.key.save()
    assert delete(alice, task).status == status


def test_a_session_may_too(alice: Customer) -> None:
    task = completed(alice)
    alice.sign_in()
    assert delete(alice, task, Authorization="").refusal == (403, "FORBIDDEN")
    assert delete(alice, task, Authorization="", X_CSRFToken=alice.csrf_token).status == 200
