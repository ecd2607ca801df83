"""The audit compares what tasks say of themselves with their money, their images and their events."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F

import billing.audit
from accounts.models import Mode
from accounts.opening import account_of
from billing import ledger
from billing.models import Hold, UsageRecord, Wallet
from eggapi import clock
from eggapi.models import Alert
from generation.audit import audit, watch
from generation.models import Output, Status, Task
from generation.settle import Ending, settle
from generation.storage import Picture
from tests.customer import Customer
from webhooks.models import Delivery, Event

HOOK = "https://example.com/hook"


@pytest.fixture
def alice(on_sale: None) -> Customer:
    return Customer()


@pytest.fixture
def completed(alice: Customer) -> Task:
    """A task that brought three of four images, and tells its customer so."""
    return end(alice, 3)


@pytest.fixture
def failed(alice: Customer) -> Task:
    return end(alice, 0)


@pytest.fixture
def waiting(alice: Customer) -> Task:
    return Task.objects.get(pk=alice.generate(num_outputs=4, webhook_url=HOOK).data["id"])


def end(customer: Customer, images: int) -> Task:
    task = Task.objects.get(pk=customer.generate(num_outputs=4, webhook_url=HOOK).data["id"])
    pictures = [Picture(n, f"{n}.png", "image/png", 100, 10, 10) for n in range(images)]
    assert settle([Ending(task, "done", "Nothing came of it.", pictures, fenced=False)]) == [True]
    task.refresh_from_db()
    return task


def test_it_works(completed: Task, failed: Task, waiting: Task) -> None:
    assert (completed.status, failed.status, waiting.status) == ("completed", "failed", "pending")
    assert audit() == []
    assert billing.audit.audit() == []


def test_it_finds_a_task_without_a_hold(waiting: Task) -> None:
    Hold.objects.all().delete()
    assert audit() == [f"{waiting} is pending, but has no hold"]


def test_it_finds_a_hold_without_a_task(waiting: Task) -> None:
    Task.objects.all().delete()
    assert audit() == [f"{waiting} has a hold that is open, but is no task"]


def test_it_finds_an_open_hold_of_a_task_that_failed(waiting: Task) -> None:
    Task.objects.update(status=Status.FAILED, completed_at=clock.now(), next_run_at=None, webhook_url="")
    assert audit() == [
        f"{waiting} is failed, but its hold is open",
        f"{waiting} is failed, but there is no event of it",
    ]


def test_it_finds_a_closed_hold_of_a_task_that_waits(waiting: Task) -> None:
    ledger.close([ledger.Closing(waiting.pk, 0)], clock.now())
    assert audit() == [f"{waiting} is pending, but its hold is released"]


def test_it_finds_a_task_that_failed_and_was_paid_for(failed: Task) -> None:
    Hold.objects.update(state="captured", captured=F("amount"))
    assert audit() == [
        f"{failed} is failed, but its hold is captured",
        f"{failed} cost $0.00, and $0.0400 was captured, for 0 images at $0.0100",
    ]


def test_it_finds_a_hold_of_another_amount(waiting: Task) -> None:
    Hold.objects.update(amount=F("amount") + 1)
    wallet = Wallet.id_of(waiting.account_id, waiting.mode)
    assert audit() == [
        f"{waiting} of account {waiting.account_id} test holds $0.040001 in wallet {wallet} for 4 images at $0.0100"
    ]


def test_it_finds_a_hold_in_another_wallet(waiting: Task) -> None:
    wallet = Wallet.id_of(waiting.account_id, Mode.LIVE)
    Hold.objects.update(wallet=wallet)
    assert audit() == [
        f"{waiting} of account {waiting.account_id} test holds $0.0400 in wallet {wallet} for 4 images at $0.0100"
    ]


def test_it_finds_a_task_that_cost_more_than_its_images(completed: Task) -> None:
    Output.objects.filter(index=2).delete()
    assert audit() == [f"{completed} cost $0.0300, and $0.0300 was captured, for 2 images at $0.0100"]


def test_it_finds_a_task_that_cost_something_else_than_was_captured(completed: Task) -> None:
    Task.objects.update(cost=40_000)
    assert audit() == [
        f"{completed} cost $0.0400, and $0.0300 was captured, for 3 images at $0.0100",
        f"{completed} has a usage of 3 units of nanobanana image_generate by key {completed.key_id},"
        " which is not what the task says",
    ]


@pytest.mark.parametrize("wrong", [{"model": "other"}, {"type": "image_edit"}, {"mode": "live"}, {"key": None}])
def test_it_finds_usage_of_something_else(completed: Task, wrong: dict[str, str]) -> None:
    UsageRecord.objects.update(**wrong)
    (found,) = audit()
    assert found.startswith(f"{completed} has a usage of 3 units of ")


def test_it_finds_a_task_without_an_event(completed: Task, waiting: Task) -> None:
    Event.objects.all().delete()
    assert audit() == [
        f"{completed} is completed, but there is no event of it",
        f"{completed} is completed, but nobody is told",
    ]


def test_it_finds_an_event_that_says_something_else(completed: Task) -> None:
    Event.objects.update(type="task.failed")
    assert audit() == [f"{completed} is completed, but there is no event of it"]


def test_it_finds_an_event_that_nobody_is_told_of(completed: Task) -> None:
    Delivery.objects.all().delete()
    assert audit() == [f"{completed} is completed, but nobody is told"]


class TestCommand:
    def test_it_works(self, completed: Task, failed: Task, waiting: Task) -> None:
        out = StringIO()
        call_command("audit_ledger", stdout=out)
        assert out.getvalue() == (
            "2 wallets with $99.9700, $0.0400 of it held; 2 entries, 3 holds, $0.0300 of usage.\n"
        )

    def test_it_prints_what_drifts(self, completed: Task) -> None:
        account = account_of("alice@example.com")
        Wallet.objects.filter(account=account).update(task_count=F("task_count") + 1)
        Delivery.objects.all().delete()
        out = StringIO()
        with pytest.raises(CommandError, match=r"^The ledger drifts\.$"):
            call_command("audit_ledger", stdout=out)
        live, test = (Wallet.id_of(account.pk, mode) for mode in ("live", "test"))
        assert sorted(out.getvalue().splitlines()) == [
            f"{completed} is completed, but nobody is told",
            f"wallet {live} counts 1 tasks, but has 0 holds",
            f"wallet {test} counts 2 tasks, but has 1 holds",
        ]


def test_drift_is_an_alert_until_it_is_gone(waiting: Task) -> None:
    Wallet.objects.filter(task_count=1).update(task_count=2)
    watch()
    alert = Alert.objects.get(cause="audit_ledger")
    assert (alert.state, alert.text.splitlines()[0]) == ("raised", "The ledger drifts:")
    assert "counts 2 tasks, but has 1 holds" in alert.text
    Wallet.objects.filter(task_count=2).update(task_count=1)
    watch()
    assert Alert.objects.get().state == "ended"
