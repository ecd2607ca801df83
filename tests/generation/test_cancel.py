"""POST /v1/tasks/{id}/cancel: it wins until the task is settled, and the money is exact either way."""

import random
import time
from collections.abc import Callable, Generator
from typing import Any

import pytest

import billing.audit
from eggapi import batch
from eggapi.loop import Loop
from generation import cancel, save
from generation.audit import audit
from generation.models import Attempt, Breaker, Purchase, Route, Task
from generation.providers.base import Call, Job, Reply
from generation.settle import Ending, settle
from generation.storage import Picture
from tests.customer import Customer, at_once
from tests.emulators.fal import Fal
from tests.emulators.replicate import Replicate
from tests.emulators.vendor import Speaks, Vendor
from tests.generation.past import add_task
from webhooks.models import Event


@pytest.fixture
def alice(on_sale: None) -> Customer:
    return Customer()


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of tasks whose vendors are to be told."""
    ids: list[str] = []
    for module in (cancel, save):
        monkeypatch.setattr(module, "ring", lambda name, **ids_: ids.append(ids_["task_id"]))
    return ids


def canceled(customer: Customer, task_id: str) -> Any:
    return customer.send("POST", f"/v1/tasks/{task_id}/cancel")


@pytest.mark.django_db
class TestCancel:
    def test_it_works(self, alice: Customer, rung: list[str]) -> None:
        task_id = alice.generate(num_outputs=2).data["id"]
        answer = canceled(alice, task_id)
        assert answer.status == 200
        assert {"status": "failed", "error": "Canceled: nothing was charged.", "cost": "$0.00"}.items() <= (
            answer.data.items()
        )
        assert answer.data == alice.get(f"/v1/tasks/{task_id}").data
        assert (alice.wallet.held, alice.wallet.posted) == (0, 100_000_000)
        assert alice.get(f"/v1/tasks/{task_id}/receipt").data["ended"] == "canceled"
        assert [event.type for event in Event.objects.filter(task_id=task_id)] == ["task.failed"]
        assert billing.audit.audit() + audit() == []

    @pytest.mark.parametrize("status", ["completed", "failed"])
    def test_a_task_that_has_ended_stays_as_it_is(self, alice: Customer, status: str, rung: list[str]) -> None:
        task = add_task(alice, status)
        before = alice.get(f"/v1/tasks/{task.id}").data
        assert canceled(alice, task.id).data == before
        assert rung == []

    def test_it_may_be_sent_twice(self, alice: Customer, rung: list[str]) -> None:
        task_id = alice.generate().data["id"]
        assert canceled(alice, task_id).data == canceled(alice, task_id).data
        assert Event.objects.count() == 1

    def test_a_stranger_cancels_nothing(self, alice: Customer) -> None:
        task_id = alice.generate().data["id"]
        for stranger in (Customer("bob@example.com"), Customer(mode="live")):
            assert canceled(stranger, task_id).refusal == (404, "NOT_FOUND")
        assert canceled(alice, "gen_%00").refusal == (404, "NOT_FOUND")
        assert Task.objects.get().status == "pending"
        assert alice.wallet.held == 10_000

    def test_the_dashboard_needs_its_token(self, alice: Customer, rung: list[str]) -> None:
        task_id = alice.generate().data["id"]
        alice.sign_in()
        path = f"/v1/tasks/{task_id}/cancel"
        assert alice.send("POST", path, Authorization="").refusal == (403, "FORBIDDEN")
        assert Task.objects.get().status == "pending"
        assert alice.send("POST", path, Authorization="", X_CSRFToken=alice.csrf_token).data["status"] == "failed"

    def test_it_is_for_posting(self, alice: Customer) -> None:
        task_id = alice.generate().data["id"]
        assert alice.get(f"/v1/tasks/{task_id}/cancel").refusal == (405, "METHOD_NOT_ALLOWED")


@pytest.mark.postgres_only
@pytest.mark.django_db(transaction=True)
def test_either_the_customer_or_the_worker_ends_a_task(alice: Customer, rung: list[str]) -> None:
    waiting = [alice.generate(num_outputs=2).data["id"] for _ in range(40)]

    def race(n: int) -> int:
        dice = random.Random(n)
        ids = dice.sample(waiting, len(waiting))
        if n % 2:
            return [canceled(alice, task_id).status for task_id in ids].count(200)
        tasks = list(Task.objects.filter(pk__in=ids))
        pictures = [Picture(0, "0.png", "image/png", 1, 1, 1)]
        endings = [Ending(task, "completed", pictures=pictures, fenced=False) for task in tasks]
        return sum(batch.run(settle, [ending])[0] is True for ending in endings)

    at_once(4, race)
    ended = dict(Task.objects.values_list("id", "ended"))
    completed = [task_id for task_id, word in ended.items() if word == "completed"]
    assert sorted(rung) == sorted(task_id for task_id, word in ended.items() if word == "canceled")
    assert len(completed) + len(rung) == len(waiting)
    assert alice.wallet.held == 0
    assert alice.wallet.posted == 100_000_000 - 10_000 * len(completed)
    assert Event.objects.count() == len(waiting)
    assert billing.audit.audit() + audit() == []


@pytest.mark.django_db(transaction=True)
class TestUnderWay:
    """A task that a vendor is working on."""

    def wait_for(self, condition: Callable[[], bool]) -> None:
        until = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < until
            time.sleep(0.02)

    @pytest.mark.parametrize("adapter", ["replicate", "fal"])
    def test_a_job_that_was_accepted_is_withdrawn_and_is_a_leak(
        self, customer: Customer, sell: Callable[..., Route], engine: Loop[Any], rung: list[str], adapter: str
    ) -> None:
        emulator, upstream_model = {
            "replicate": (Replicate, "google/nano-banana"),
            "fal": (Fal, "fal-ai/nano-banana"),
        }[adapter]
        with emulator() as upstream:
            sell(upstream, adapter, upstream_model)
            task_id = customer.generate(prompt="an egg fault:stuck").data["id"]
            engine.wake()
            self.wait_for(lambda: Purchase.objects.filter(state="accepted").exists())
            assert canceled(customer, task_id).data["status"] == "failed"
            cancel.withdraw(task_id)
            told: Any = upstream
            (said,) = told.predictions.values() if adapter == "replicate" else [told.ended]
        assert "canceled" in said.values()
        assert Purchase.objects.get().leak == 5000
        assert (customer.wallet.held, customer.wallet.available) == (0, 1_000_000)
        assert Attempt.objects.get().state == "failed"
        assert billing.audit.audit() + audit() == []

    def test_an_answer_on_its_way_is_kept_and_withdrawn_then(
        self,
        customer: Customer,
        vendor: Vendor,
        add_route: Callable[..., Route],
        engine: Loop[Any],
        rung: list[str],
    ) -> None:
        add_route(vendor.url)
        task_id = customer.generate(prompt="vendor:hold").data["id"]
        engine.wake()
        self.wait_for(lambda: bool(vendor.billed))
        assert canceled(customer, task_id).data["status"] == "failed"
        vendor.release.set()
        self.wait_for(lambda: rung == [task_id, task_id])
        purchase = Purchase.objects.get()
        assert (purchase.state, purchase.upstream_id, purchase.leak) == ("accepted", "job0", 5000)

    def test_pictures_that_come_too_late_are_salvage(
        self,
        customer: Customer,
        vendor: Vendor,
        add_route: Callable[..., Route],
        engine: Loop[Any],
        rung: list[str],
    ) -> None:
        add_route(vendor.url)
        task_id = customer.generate(prompt="vendor:hold-sync").data["id"]
        engine.wake()
        self.wait_for(lambda: bool(vendor.billed))
        canceled(customer, task_id)
        vendor.release.set()
        self.wait_for(lambda: Purchase.objects.filter(state="done").exists())
        assert len(Purchase.objects.get().images) == 1
        assert customer.get(f"/v1/tasks/{task_id}").data["status"] == "failed"
        assert customer.wallet.available == 1_000_000
        assert Purchase.objects.get().leak == 5000

    def test_a_vendor_that_cannot_be_told_is_left_alone(
        self,
        customer: Customer,
        vendor: Vendor,
        add_route: Callable[..., Route],
        engine: Loop[Any],
        rung: list[str],
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        def tell(self: Speaks, job: Job, upstream_id: str) -> Generator[Call, Reply, None]:
            yield Call("POST", "http://127.0.0.1:1/cancel")

        monkeypatch.setattr(Speaks, "cancel", tell)
        add_route(vendor.url)
        task_id = customer.generate(prompt="vendor:stuck").data["id"]
        engine.wake()
        self.wait_for(lambda: Purchase.objects.filter(state="accepted").exists())
        canceled(customer, task_id)
        cancel.withdraw(task_id)
        assert [record.message for record in caplog.records if record.name == "eggapi.cancel"] == ["not withdrawn"]

    def test_the_next_task_may_be_the_probe(self, customer: Customer, add_route: Callable[..., Route]) -> None:
        route = add_route("http://127.0.0.1:1")
        task = add_task(customer, "failed", ended="canceled")
        Breaker.objects.create(
            provider=route.provider,
            upstream_model="fast",
            reason="x",
            opened_at=task.created_at,
            open_until=task.created_at,
            seconds=15,
            probe=f"{task.id}.1",
            probe_until=task.deadline_at,
        )
        cancel.withdraw(task.id)
        assert list(Breaker.objects.values_list("probe", "probe_until")) == [("", None)]
