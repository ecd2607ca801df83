"""Workers killed, stopped and drained in the middle of their work."""

import signal
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.db.models import F

from accounts.caller import Caller
from billing.models import LedgerEntry, Wallet
from generation.models import Purchase, Route, Task
from generation.submit import submit
from tests.emulators.vendor import Speaks, SpeaksAndFinds, Vendor
from tests.forks import Fork
from tests.generation import worker
from tests.generation.conftest import DOLLAR, ended

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres_only]

AddRoute = Callable[..., Route]
StartWorker = Callable[..., Fork]


@pytest.fixture
def start_worker() -> Iterator[StartWorker]:
    started: list[Fork] = []

    def start(death: str = "") -> Fork:
        started.append(Fork(worker.main, death))
        started[-1].wait_until_ready()
        return started[-1]

    yield start
    for one in started:
        one.kill()


def post(caller: Caller, prompt: str = "an egg", **fields: object) -> Task:
    return submit(caller, {"model": "nanobanana", "prompt": prompt, **fields})[0]


def let_leases_lapse(by: timedelta = timedelta(seconds=61)) -> None:
    """What the clock would do, without waiting for it."""
    Task.objects.filter(lease_until__isnull=False).update(lease_until=F("lease_until") - by)
    Purchase.objects.update(sent_at=F("sent_at") - by)


def assert_paid_once(caller: Caller, task: Task, vendor: Vendor) -> None:
    assert (task.status, task.cost) == ("completed", 10_000)
    assert max(vendor.billed.values()) == 1
    assert LedgerEntry.objects.filter(task_id=task.pk).count() == 1
    wallet = Wallet.objects.get(pk=Wallet.id_of(caller.account_id, caller.mode))
    assert (wallet.posted, wallet.held) == (DOLLAR - 10_000, 0)


def test_a_request_never_sent_is_sent_once(
    alice: Caller, vendor: Vendor, add_route: AddRoute, start_worker: StartWorker
) -> None:
    add_route(vendor.url, SpeaksAndFinds)
    task = post(alice)
    assert start_worker("before-call").wait(20) == -signal.SIGKILL
    assert vendor.seen == []
    let_leases_lapse()
    start_worker()
    assert_paid_once(alice, ended(task), vendor)
    assert len(vendor.seen) == 1


def test_a_request_perhaps_sent_goes_to_another_route(
    alice: Caller, vendor: Vendor, add_route: AddRoute, start_worker: StartWorker
) -> None:
    with Vendor() as second:
        add_route(vendor.url, Speaks)
        add_route(second.url, Speaks)
        task = post(alice)
        assert start_worker("after-call").wait(20) == -signal.SIGKILL
        let_leases_lapse()
        start_worker()
        assert_paid_once(alice, ended(task), second)
    assert len(vendor.seen) == 1
    lost = Purchase.objects.get(attempt__task=task, attempt__n=1)
    assert (lost.state, lost.leak) == ("unknown", 5000)


def test_an_answer_never_saved_is_looked_up(
    alice: Caller, vendor: Vendor, add_route: AddRoute, start_worker: StartWorker
) -> None:
    add_route(vendor.url, SpeaksAndFinds)
    task = post(alice)
    assert start_worker("after-call").wait(20) == -signal.SIGKILL
    let_leases_lapse()
    start_worker()
    assert_paid_once(alice, ended(task), vendor)
    assert len(vendor.seen) == 1


def test_a_settlement_nobody_heard_of_stands(
    alice: Caller, vendor: Vendor, add_route: AddRoute, start_worker: StartWorker
) -> None:
    add_route(vendor.url)
    task = post(alice)
    assert start_worker("after-settle").wait(20) == -signal.SIGKILL
    start_worker()
    time.sleep(1.5)
    assert_paid_once(alice, ended(task), vendor)


def test_another_worker_polls_on(alice: Caller, vendor: Vendor, add_route: AddRoute, start_worker: StartWorker) -> None:
    add_route(vendor.url)
    tasks = [post(alice, "an egg vendor:late") for _ in range(10)]
    first = start_worker()
    while len(vendor.polls) < 10:
        time.sleep(0.05)
    first.kill()
    let_leases_lapse()
    vendor.release.set()
    start_worker()
    assert {ended(task).status for task in tasks} == {"completed"}
    assert (len(vendor.seen), max(vendor.billed.values())) == (10, 1)


def test_a_worker_that_wakes_up_too_late_changes_nothing(
    alice: Caller, vendor: Vendor, add_route: AddRoute, start_worker: StartWorker
) -> None:
    add_route(vendor.url, SpeaksAndFinds)
    task = post(alice, "an egg vendor:hold")
    sleeper = start_worker()
    while not vendor.seen:
        time.sleep(0.02)
    sleeper.send_signal(signal.SIGSTOP)
    let_leases_lapse()
    start_worker()
    vendor.release.set()
    ended(task)
    sleeper.send_signal(signal.SIGCONT)
    time.sleep(1)
    assert_paid_once(alice, ended(task), vendor)
    assert sleeper.poll() is None


def test_sigterm_loses_and_doubles_nothing(
    alice: Caller, vendor: Vendor, add_route: AddRoute, start_worker: StartWorker
) -> None:
    add_route(vendor.url)
    tasks = [post(alice) for _ in range(60)]
    first = start_worker()
    while len(vendor.seen) < 5:
        time.sleep(0.01)
    first.terminate()
    assert first.wait(20) == 0
    assert not Task.objects.filter(lease_until__isnull=False).exists()
    start_worker()
    assert {ended(task).status for task in tasks} == {"completed"}
    assert (len(vendor.seen), max(vendor.billed.values())) == (60, 1)


def test_sigterm_hears_a_paid_call_to_its_end(
    alice: Caller, vendor: Vendor, add_route: AddRoute, start_worker: StartWorker
) -> None:
    add_route(vendor.url)
    task = post(alice, "an egg vendor:hold")
    one = start_worker()
    while not vendor.seen:
        time.sleep(0.02)
    one.terminate()
    time.sleep(0.5)
    vendor.release.set()
    assert one.wait(20) == 0
    assert Purchase.objects.get(attempt__task=task).state == "accepted"


def test_two_workers_share_the_work_and_never_a_task(
    alice: Caller, vendor: Vendor, add_route: AddRoute, start_worker: StartWorker
) -> None:
    add_route(vendor.url)
    tasks = [post(alice) for _ in range(80)]
    start_worker()
    start_worker()
    assert {ended(task, 30).status for task in tasks} == {"completed"}
    assert (len(vendor.seen), max(vendor.billed.values())) == (80, 1)
