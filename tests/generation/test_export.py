"""An account's data as a ZIP: all of it, nobody else's, for a day."""

import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from django.core.files.storage import FileSystemStorage
from django.db.models import F
from pytest_django import Settings

from accounts.models import Export, Membership, User
from billing import usage
from billing.models import UsageRecord
from eggapi import clock
from generation import export, retention
from generation.models import Task
from tests.customer import Answer, Customer
from tests.generation.past import add_task
from webhooks.events import NewEvent, publish

pytestmark = pytest.mark.django_db
PARTS = {"account", "people", "keys", "wallets", "ledger", "usage", "tasks", "outputs", "events"}


@pytest.fixture(autouse=True)
def files(settings: Settings, tmp_path: Path) -> Path:
    options = settings.STORAGES["default"]["OPTIONS"] | {"location": tmp_path / "files"}
    settings.STORAGES = settings.STORAGES | {"default": settings.STORAGES["default"] | {"OPTIONS": options}}
    return tmp_path / "files"


@pytest.fixture
def alice() -> Customer:
    return busy("alice@example.com")


def busy(email: str) -> Customer:
    """Somebody signed in whose account has something of everything."""
    customer = Customer(email)
    customer.sign_in()
    task = add_task(customer, "completed", prompt=f"PROMPT of {email}", metadata={"order": 7})
    now = clock.now()
    publish([NewEvent(task.account_id, task.mode, 1, "task.completed", task.pk, b'{"a":1}', "")], now)
    record = UsageRecord(
        account=customer.account, mode=customer.mode, key=customer.key, task_id=task.pk, model=task.model,
        type=task.type, units=1, unit_price=10_000, cost=10_000, created_at=now,
    )  # fmt: skip
    usage.record([record])
    return customer


def ask(customer: Customer, method: str = "POST", **headers: str) -> Answer:
    headers = {"Authorization": "", "X_CSRFToken": customer.csrf_token} | headers
    return customer.send(method, "/v1/account/export", **headers)


def exported(customer: Customer) -> dict[str, list[dict[str, Any]]]:
    """Its parts, as whoever holds the address gets them."""
    ask(customer)
    export.make_due()
    answer = ask(customer, "GET")
    assert answer.status == 200
    response = customer.http.get(answer.data["url"].partition("testserver")[2])
    content = response.getvalue()
    assert (response.status_code, len(content)) == (200, answer.data["bytes"])
    with ZipFile(io.BytesIO(content)) as archive:
        return {
            name.removesuffix(".jsonl"): [json.loads(line) for line in archive.read(name).splitlines()]
            for name in archive.namelist()
        }


def test_it_works(alice: Customer) -> None:
    parts = exported(alice)
    assert parts.keys() == PARTS
    assert parts["account"][0]["name"] == str(alice.account)
    assert parts["people"] == [{"email": "alice@example.com", "role": "owner"}]
    assert [key["display"] for key in parts["keys"]] == [alice.key.display]
    assert {wallet["mode"]: wallet["posted"] for wallet in parts["wallets"]} == {
        "live": "0.000000",
        "test": "100.000000",
    }
    assert [(entry["kind"], entry["amount"]) for entry in parts["ledger"]] == [("credit", "100.000000")]
    assert [(record["units"], record["cost"]) for record in parts["usage"]] == [(1, "0.010000")]
    assert [(task["prompt"], task["metadata"]) for task in parts["tasks"]] == [
        ("PROMPT of alice@example.com", {"order": 7})
    ]
    assert [output["task_id"] for output in parts["outputs"]] == [parts["tasks"][0]["id"]]
    assert [event["payload"] for event in parts["events"]] == [{"a": 1}]


@pytest.mark.django_db(transaction=True)
def test_it_is_read_row_by_row(alice: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "ROWS_AT_ONCE", 2)
    for _ in range(4):
        add_task(alice, "failed")
    assert len(exported(alice)["tasks"]) == 5


def test_nothing_of_a_stranger_is_in_it(alice: Customer) -> None:
    busy("bob@example.com")
    text = json.dumps(exported(alice))
    theirs = [*Task.objects.exclude(account=alice.account).values_list("id", flat=True), "bob@example.com"]
    assert len(theirs) == 2
    assert [each for each in theirs if each in text] == []


def test_no_secret_is_in_it(alice: Customer) -> None:
    text = json.dumps(exported(alice))
    assert alice.secret not in text
    assert "digest" not in text
    assert alice.account.webhook_secrets.get().plain not in text


def test_it_says_while_it_is_being_made(alice: Customer) -> None:
    assert ask(alice, "GET").refusal == (404, "NOT_FOUND")
    first = ask(alice)
    assert (first.status, first.data["status"], first.data.keys()) == (202, "pending", {"status", "requested_at"})
    assert ask(alice).data == ask(alice, "GET").data == first.data
    assert Export.objects.count() == 1


def test_asked_again_within_the_hour_it_is_the_same(alice: Customer) -> None:
    exported(alice)
    made = ask(alice, "GET").data
    assert ask(alice).data == made
    Export.objects.update(made_at=F("made_at") - export.FRESH - timedelta(seconds=1))
    assert ask(alice).status == 202


def test_it_is_gone_after_a_day(alice: Customer, files: Path) -> None:
    exported(alice)
    url = ask(alice, "GET").data["url"].partition("testserver")[2]
    retention.purge()
    assert alice.http.get(url).getvalue()
    Export.objects.update(expires_at=F("expires_at") - export.KEPT)
    retention.purge()
    assert alice.http.get(url).status_code == 404
    assert (Export.objects.count(), list((files / "exports").iterdir())) == (0, [])


def test_one_that_cannot_be_made_is_made_later_and_keeps_nobody_waiting(
    alice: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = busy("bob@example.com")
    ask(alice)
    ask(bob)
    save = FileSystemStorage.save
    failed: list[bool] = []

    def fail_first(*args: Any, **options: Any) -> Any:
        if not failed:
            failed.append(True)
            raise ConnectionError
        return save(*args, **options)

    monkeypatch.setattr(FileSystemStorage, "save", fail_first)
    export.make_due()
    assert (ask(alice, "GET").status, ask(bob, "GET").status) == (202, 200)
    Export.objects.filter(made_at=None).update(lease_until=F("lease_until") - 2 * export.LEASE)
    export.make_due()
    assert ask(alice, "GET").status == 200


def test_one_whose_account_is_emptied_meanwhile_leaves_nothing(
    alice: Customer, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = FileSystemStorage.save

    def save_late(*args: Any, **options: Any) -> Any:
        for row in Export.objects.all():
            export.remove(row)
        return save(*args, **options)

    monkeypatch.setattr(FileSystemStorage, "save", save_late)
    ask(alice)
    export.make_due()
    assert (Export.objects.count(), list((files / "exports").iterdir())) == (0, [])


def test_of_two_that_are_made_at_once_the_first_is_kept(alice: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    save = FileSystemStorage.save

    def save_after_another(*args: Any, **options: Any) -> Any:
        monkeypatch.undo()
        Export.objects.update(lease_until=None)
        export.make_due()
        return save(*args, **options)

    monkeypatch.setattr(FileSystemStorage, "save", save_after_another)
    assert exported(alice).keys() == PARTS


def test_a_key_is_not_enough(alice: Customer) -> None:
    for method in ("GET", "POST"):
        assert ask(alice, method, Authorization=f"Bearer {alice.secret}").refusal == (401, "UNAUTHORIZED")
    assert ask(alice, X_CSRFToken="").refusal == (403, "FORBIDDEN")


def test_only_owners_may(alice: Customer) -> None:
    ask(alice)
    guest = User.objects.create_user("guest@example.com")
    Membership.objects.create(account=alice.account, user=guest, role=Membership.Role.DEVELOPER)
    alice.http.force_login(guest)
    alice.http.cookies["csrftoken"] = alice.csrf_token
    assert [ask(alice, method).refusal for method in ("GET", "POST")] == [(403, "FORBIDDEN")] * 2
