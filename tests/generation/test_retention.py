"""What is stored goes when its time has come, and not before; the money stays."""

import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage, default_storage
from django.core.management import call_command
from django.db.models import F
from pytest_django import Settings

from accounts.caller import Caller, Terms
from accounts.models import LoginLink
from eggapi import clock
from eggapi.models import Alert
from generation import privacy, retention, storage
from generation.models import Output, Task
from generation.settle import Ending, settle
from generation.submit import submit
from tests.customer import EGG, Customer
from tests.emulators.upstream import picture
from tests.generation.past import add_task
from webhooks.events import NewEvent, publish
from webhooks.models import Delivery, Event

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def files(settings: Settings, tmp_path: Path) -> Path:
    options = settings.STORAGES["default"]["OPTIONS"] | {"location": tmp_path / "files"}
    settings.STORAGES = settings.STORAGES | {"default": settings.STORAGES["default"] | {"OPTIONS": options}}
    return tmp_path / "files"


@pytest.fixture
def alice() -> Customer:
    return Customer()


def stored(customer: Customer, *, due_in: timedelta, outputs: int = 2, **fields: Any) -> Task:
    """A completed task with its pictures in the storage."""
    task = add_task(customer, "completed", outputs=outputs, purge_at=clock.now() + due_in, **fields)
    for index in range(outputs):
        storage.store(task.pk, task.path_token, index, io.BytesIO(picture("16:9", "1k")))
    return task


def deliver(task: Task, *, ago: timedelta | None, given_up: bool = False) -> None:
    """The task's webhook: delivered so long ago, or still on its way, or given up."""
    now = clock.now()
    publish(
        [NewEvent(task.account_id, task.mode, 1, "task.completed", task.pk, b"{}", "https://webhook.example/")], now
    )
    if ago is not None:
        Delivery.objects.update(state="delivered", delivered_at=now - ago, next_run_at=None)
    elif given_up:
        Delivery.objects.update(state="failed", next_run_at=None)


def kept(task: Task) -> list[str]:
    """The files that are still there, by what the row says and by what is in the storage alike."""
    said = list(task.outputs.exclude(path="").order_by("index").values_list("path", flat=True))
    assert [default_storage.exists(path) for path in said] == [True] * len(said)
    folder = storage.folder_of(task.pk, task.path_token)
    found = default_storage.listdir(folder)[1] if default_storage.exists(folder) else []
    assert sorted(f"{folder}/{name}" for name in found) == said
    return said


class TestExpired:
    def test_it_works(self, alice: Customer, files: Path) -> None:
        task, young = stored(alice, due_in=-HOUR), stored(alice, due_in=HOUR)
        address = alice.get(f"/v1/tasks/{task.pk}").data["output"]["url"].partition("testserver")[2]
        assert alice.http.get(address).getvalue()
        assert retention.purge().tasks == 1
        assert (kept(task), len(kept(young))) == ([], 2)
        assert [path.name for path in (files / "images").iterdir()] == [young.pk]
        assert alice.get(address).refusal == (404, "NOT_FOUND")
        task.refresh_from_db()
        assert (task.purge_at, task.outputs.count(), task.wiped_at) == (None, 2, None)
        assert retention.purge().tasks == 0

    def test_the_task_simply_has_no_output(self, alice: Customer) -> None:
        task = stored(alice, due_in=-HOUR)
        before = alice.get(f"/v1/tasks/{task.pk}").data
        retention.purge()
        after = alice.get(f"/v1/tasks/{task.pk}").data
        assert before.pop("output")
        assert after == before
        assert alice.get("/v1/tasks").data["items"] == [after]

    def test_salvage_goes_too(self, alice: Customer) -> None:
        task = add_task(alice, "failed", purge_at=clock.now() - HOUR)
        storage.store(task.pk, task.path_token, 3, io.BytesIO(picture("16:9", "1k")))
        retention.purge()
        assert not default_storage.exists(storage.folder_of(task.pk, task.path_token))

    def test_it_goes_through_many_in_batches(self, alice: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(retention, "BATCH", 2)
        tasks = [stored(alice, due_in=-HOUR, outputs=1) for _ in range(5)]
        assert retention.purge().tasks == 5
        assert [kept(task) for task in tasks] == [[]] * 5

    def test_what_the_storage_does_not_remove_is_removed_later(
        self, alice: Customer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second = stored(alice, due_in=-2 * HOUR), stored(alice, due_in=-HOUR)
        with monkeypatch.context() as away:
            away.setattr(FileSystemStorage, "delete", refuse)
            assert retention.purge().tasks == 0
        assert (len(kept(first)), len(kept(second))) == (2, 2)
        assert Alert.objects.get(cause=retention.ALERT).ended_at is None
        assert retention.purge().tasks == 1
        assert (len(kept(first)), kept(second)) == (2, [])
        Task.objects.filter(pk=first.pk).update(purge_at=F("purge_at") - retention.RETRY)
        assert retention.purge().tasks == 1
        assert kept(first) == []
        assert Alert.objects.get(cause=retention.ALERT).ended_at

    def test_whoever_is_killed_in_between_leaves_nothing_behind(
        self, alice: Customer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tasks = [stored(alice, due_in=-HOUR) for _ in range(3)]
        remove = storage.remove
        killed = iter([False, True])

        def remove_or_die(task_id: str, token: str) -> None:
            remove(task_id, token)
            if next(killed, False):
                raise KeyboardInterrupt

        monkeypatch.setattr(storage, "remove", remove_or_die)
        with pytest.raises(KeyboardInterrupt):
            retention.purge()
        assert Task.objects.filter(purge_at__isnull=False).count() == 3
        assert Output.objects.exclude(path="").count() == 6
        Task.objects.update(purge_at=F("purge_at") - retention.RETRY)
        assert retention.purge().tasks == 3
        assert [kept(task) for task in tasks] == [[], [], []]

    def test_two_runs_that_overlap_never_do_the_same_work(
        self, alice: Customer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retention, "BATCH", 2)
        tasks = [stored(alice, due_in=-HOUR) for _ in range(5)]
        remove, removed, others = storage.remove, list[str](), list[int]()

        def meanwhile(task_id: str, token: str) -> None:
            removed.append(task_id)
            if len(removed) == 1:
                others.append(retention.purge().tasks)
            remove(task_id, token)

        monkeypatch.setattr(storage, "remove", meanwhile)
        assert (retention.purge().tasks, others) == (2, [3])
        assert sorted(removed) == sorted(task.pk for task in tasks)
        assert [kept(task) for task in tasks] == [[]] * 5

    def test_what_may_be_stored_after_a_deletion_is_removed_even_so(
        self, alice: Customer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        task = stored(alice, due_in=-HOUR)
        remove = storage.remove

        def meanwhile(task_id: str, token: str) -> None:
            monkeypatch.undo()
            privacy.delete(task)
            remove(task_id, token)

        monkeypatch.setattr(storage, "remove", meanwhile)
        retention.purge()
        task.refresh_from_db()
        assert task.purge_at
        assert clock.now() < task.purge_at <= clock.now() + privacy.LATE

    def test_no_unfinished_task_is_touched(self, alice: Customer) -> None:
        task = add_task(alice, "processing")
        storage.store(task.pk, task.path_token, 0, io.BytesIO(picture("16:9", "1k")))
        assert retention.purge() == (0, 0)
        assert default_storage.exists(f"{storage.folder_of(task.pk, task.path_token)}/0.png")


def refuse(*_: object) -> None:
    raise PermissionError


@pytest.mark.usefixtures("on_sale")
class TestWhen:
    """Settling says when."""

    @pytest.mark.parametrize(
        ("terms", "completed", "kept_for"),
        [
            (Terms(), True, 15 * DAY),
            (Terms(retention_days=3), True, 3 * DAY),
            (Terms(), False, 7 * DAY),
            (Terms(zero_retention=True), True, HOUR),
            (Terms(zero_retention=True), False, HOUR),
        ],
    )
    def test_it_works(self, alice: Customer, terms: Terms, completed: bool, kept_for: timedelta) -> None:
        task, _ = submit(Caller(alice.account.pk, alice.mode, terms=terms), dict(EGG))
        pictures = [storage.store(task.pk, task.path_token, 0, io.BytesIO(picture("16:9", "1k")))] if completed else []
        assert settle([Ending(task, "completed" if completed else "deadline", "no", pictures, fenced=False)]) == [True]
        task.refresh_from_db()
        assert task.purge_at
        assert task.completed_at
        assert task.purge_at - task.completed_at == kept_for


class TestZeroRetention:
    def is_forgotten(self, task: Task) -> bool:
        retention.purge()
        task.refresh_from_db()
        return task.wiped_at is not None and kept(task) == [] and not task.prompt

    def test_it_works(self, alice: Customer) -> None:
        task = stored(alice, due_in=-HOUR, zero_retention=True, webhook_url="", metadata={"order": "PRIVATE"})
        deliver(task, ago=DAY)
        assert self.is_forgotten(task)
        assert (task.negative_prompt, task.image_urls, task.metadata) == ("", [], None)
        assert (task.cost, task.outputs.count()) == (20_000, 2)
        assert bytes(Event.objects.get().payload) == b""

    def test_a_failed_task_is_forgotten_too(self, alice: Customer) -> None:
        task = add_task(alice, "failed", zero_retention=True, webhook_url="", purge_at=clock.now() - HOUR)
        assert self.is_forgotten(task)

    @pytest.mark.parametrize("ago", [None, timedelta(minutes=59)])
    def test_the_receiver_has_an_hour_for_fetching(self, alice: Customer, ago: timedelta | None) -> None:
        task = stored(alice, due_in=-HOUR, zero_retention=True)
        deliver(task, ago=ago)
        assert not self.is_forgotten(task)
        assert len(kept(task)) == 2
        assert task.purge_at
        assert clock.now() < task.purge_at < clock.now() + HOUR

    @pytest.mark.parametrize(("ago", "given_up"), [(timedelta(minutes=61), False), (None, True)])
    def test_and_no_longer(self, alice: Customer, ago: timedelta | None, given_up: bool) -> None:
        task = stored(alice, due_in=-HOUR, zero_retention=True)
        deliver(task, ago=ago, given_up=given_up)
        assert self.is_forgotten(task)

    def test_a_webhook_that_never_arrives_keeps_nothing_for_ever(self, alice: Customer) -> None:
        task = stored(alice, due_in=-HOUR, zero_retention=True, at=clock.now() - 20 * DAY)
        deliver(task, ago=None)
        assert self.is_forgotten(task)
        assert Delivery.objects.get().state == "stopped"

    def test_others_keep_their_words(self, alice: Customer) -> None:
        task = stored(alice, due_in=-HOUR)
        assert not self.is_forgotten(task)
        assert (kept(task), task.wiped_at) == ([], None)


class TestRequests:
    def test_a_key_is_forgotten_after_48_hours(self, alice: Customer) -> None:
        old = add_task(alice, "completed", idempotency_key="old", request_digest=b"d" * 32, at=clock.now() - 49 * HOUR)
        young = add_task(alice, "completed", idempotency_key="young", at=clock.now() - 47 * HOUR)
        assert retention.purge().requests == 1
        old.refresh_from_db()
        young.refresh_from_db()
        assert (old.idempotency_key, bytes(old.request_digest)) == (None, b"")
        assert young.idempotency_key == "young"

    def test_links_that_nobody_can_use_are_forgotten(self, alice: Customer) -> None:
        user = alice.account.members.get()
        for index, left in enumerate((-HOUR, HOUR)):
            LoginLink.objects.create(user=user, digest=bytes([index]), expires_at=clock.now() + left)
        retention.purge()
        assert [bytes(link.digest) for link in LoginLink.objects.all()] == [b"\x01"]


def test_the_command_says_what_it_did(alice: Customer, capsys: pytest.CaptureFixture[str]) -> None:
    stored(alice, due_in=-HOUR)
    call_command("purge")
    assert capsys.readouterr().out == (
        "Removed the files of 1 tasks; forgot 0 idempotency keys,"
        " 0 attempts and 0 payloads of webhooks, 0 old secrets.\n"
    )
