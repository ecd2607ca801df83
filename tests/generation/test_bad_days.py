"""Full disks, exhausted pools and clocks that jump: nothing is lost, nothing is charged twice."""

import threading
import time
from collections.abc import Callable, Generator, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models import F

from accounts.caller import Caller
from billing.models import Hold, LedgerEntry, Wallet
from eggapi import clock
from eggapi.loop import Loop
from generation import engine as engine_module
from generation.models import Route, Task
from generation.settle import Ending, settle
from generation.submit import submit
from tests.customer import Customer
from tests.emulators.vendor import Speaks, Vendor
from tests.generation.conftest import DOLLAR, ended

pytestmark = pytest.mark.django_db(transaction=True)

AddRoute = Callable[..., Route]
EGG = {"model": "nanobanana", "prompt": "an egg"}


@pytest.fixture
def customer(on_sale: None) -> Customer:
    return Customer()


@pytest.fixture
def full_disk() -> Iterator[None]:
    """PostgreSQL's own error for a disk without room, at the insert of a task."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = '53100'; END $$;"
            " CREATE TRIGGER full_disk BEFORE INSERT ON billing_hold EXECUTE FUNCTION full_disk()"
        )
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER IF EXISTS full_disk ON billing_hold; DROP FUNCTION full_disk")


@pytest.mark.postgres_only
def test_a_full_disk_is_503_and_leaves_nothing_half_done(customer: Customer, full_disk: None) -> None:
    answer = customer.generate()
    assert answer.refusal == (503, "SERVICE_UNAVAILABLE")
    assert "Retry-After" in answer.headers
    customer.assert_nothing_happened()


@pytest.mark.postgres_only
def test_an_exhausted_pool_is_503_and_recovers(customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection.pool, "timeout", 1.0)  # type: ignore[attr-defined]  # of PostgreSQL's
    release = threading.Event()
    holders = [threading.Thread(target=_keep_a_connection, args=[release]) for _ in range(4)]
    connection.close()
    for holder in holders:
        holder.start()
    time.sleep(0.5)
    exhausted = customer.generate()
    release.set()
    for holder in holders:
        holder.join()
    assert exhausted.refusal == (503, "SERVICE_UNAVAILABLE")
    assert customer.generate().status == 202


def _keep_a_connection(release: threading.Event) -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            release.wait(30)
    except OperationalError:
        pass
    finally:
        connection.close()


def test_the_clock_of_a_worker_does_not_matter(
    alice: Caller,
    vendor: Vendor,
    add_route: AddRoute,
    engine: Loop[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_route(vendor.url)
    real = time.time
    monkeypatch.setattr("time.time", lambda: real() + 3600)
    monkeypatch.setattr("django.utils.timezone.now", lambda: datetime.now().astimezone() - timedelta(hours=1))
    task, _ = submit(alice, EGG)
    assert abs(task.created_at - clock.now()) < timedelta(seconds=5)
    engine.wake()
    assert ended(task).status == "completed"
    assert task.completed_at is not None
    assert abs(task.completed_at - clock.now()) < timedelta(seconds=15)


def test_a_database_clock_that_steps_back_only_delays(alice: Caller, add_route: AddRoute) -> None:
    """Every time stored lies five minutes ahead then."""
    add_route("http://127.0.0.1:9")
    task, _ = submit(alice, EGG)
    with transaction.atomic():
        (claim,) = engine_module._claim(1, suspects=False)
    step = timedelta(minutes=5)
    Task.objects.update(lease_until=F("lease_until") + step, next_run_at=F("next_run_at") + step)
    with transaction.atomic():
        assert engine_module._claim(1, suspects=False) == []
        assert settle([Ending(claim.task, "deadline", "late")]) == [True]
        assert settle([Ending(claim.task, "deadline", "late")]) == [False]
    assert Hold.objects.get(pk=task.pk).state == "released"


def test_a_task_that_always_raises_fails_and_is_free(
    alice: Caller, vendor: Vendor, add_route: AddRoute, engine: Loop[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def raising(self: Speaks, job: Any) -> Generator[Any, Any, Any]:
        raise RuntimeError("a bug in an adapter")

    monkeypatch.setattr(Speaks, "submit", raising)
    add_route(vendor.url)
    task, _ = submit(alice, EGG)
    engine.wake()
    assert ended(task, 30).status == "failed"
    wallet = Wallet.objects.get(pk=Wallet.id_of(alice.account_id, alice.mode))
    assert (wallet.posted, wallet.held, LedgerEntry.objects.filter(task_id=task.pk).count()) == (DOLLAR, 0, 0)
