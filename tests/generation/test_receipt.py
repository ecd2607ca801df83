"""GET /v1/tasks/{id}/receipt: where the money went, and nothing of whom we bought from."""

import re
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from accounts.caller import Caller
from billing.models import LedgerEntry
from eggapi import batch, clock
from eggapi.money import parse
from generation import cancel
from generation.models import Price, Route, Task
from generation.settle import Ending, settle
from generation.storage import Picture
from tests.customer import TIME, Customer
from tests.emulators.vendor import Vendor


@pytest.fixture
def alice(on_sale: None) -> Customer:
    return Customer()


def receipt(customer: Customer, task_id: str) -> Any:
    return customer.get(f"/v1/tasks/{task_id}/receipt").data


def end(task_id: str, images: int) -> None:
    pictures = [Picture(n, f"{n}.png", "image/png", 1, 1, 1) for n in range(images)]
    ending = Ending(Task.objects.get(pk=task_id), "completed" if images else "no_image", "No.", pictures, fenced=False)
    assert batch.run(settle, [ending]) == [True]


@pytest.mark.django_db
class TestMoney:
    def test_of_a_new_task_everything_is_held(self, alice: Customer) -> None:
        task_id = alice.generate(num_outputs=3, metadata={"order": "7"}).data["id"]
        task, price = Task.objects.get(), Price.objects.get(model__name="nanobanana")
        assert receipt(alice, task_id) == {
            "id": task_id,
            "status": "pending",
            "model": "nanobanana",
            "type": "image_generate",
            "requested": 3,
            "held": "$0.0300",
            "captured": "$0.00",
            "released": "$0.00",
            "refunded": "$0.00",
            "price": {
                "rule": f"nanobanana/1k#{price.pk}",
                "resolution": "1k",
                "unit": "$0.0100",
                "since": clock.iso(price.since),
            },
            "attempts": [],
            "timings": {
                "created_at": clock.iso(task.created_at),
                "started_at": None,
                "completed_at": None,
                "deadline_at": clock.iso(task.deadline_at),
                "waited_ms": None,
                "total_ms": None,
            },
            "ended": None,
            "error": None,
            "expires_at": None,
            "key": alice.key.pk,
            "metadata": {"order": "7"},
        }

    @pytest.mark.parametrize(
        ("images", "captured", "released"),
        [(3, "$0.0300", "$0.00"), (2, "$0.0200", "$0.0100"), (0, "$0.00", "$0.0300")],
    )
    def test_what_was_held_is_captured_or_released(
        self, alice: Customer, images: int, captured: str, released: str
    ) -> None:
        task_id = alice.generate(num_outputs=3).data["id"]
        end(task_id, images)
        shown = receipt(alice, task_id)
        assert (shown["held"], shown["captured"], shown["released"]) == ("$0.0300", captured, released)
        assert (shown["expires_at"] is not None) is bool(images)
        assert shown["ended"] == ("completed" if images else "no_image")

    def test_the_price_is_the_one_it_was_accepted_at(self, alice: Customer) -> None:
        task_id = alice.generate().data["id"]
        price = Price.objects.get(model__name="nanobanana")
        Price.objects.create(model=price.model, resolution="1k", amount=99, since=clock.now())
        assert receipt(alice, task_id)["price"]["unit"] == "$0.0100"
        assert receipt(alice, task_id)["price"]["rule"] == f"nanobanana/1k#{price.pk}"

    def test_receipts_add_up_to_what_the_wallet_lost(self, alice: Customer) -> None:
        dice, before = Random(7), alice.wallet.posted
        Price.objects.update(amount=12_347)
        for _ in range(40):
            asked = dice.randint(1, 4)
            task_id = alice.generate(num_outputs=asked).data["id"]
            match dice.randrange(4):
                case 0:
                    cancel.cancel(Task.objects.get(pk=task_id))
                case 1:
                    pass
                case _:
                    end(task_id, dice.randint(0, asked))
        receipts = [receipt(alice, task_id) for task_id in Task.objects.values_list("id", flat=True)]
        captured, released, held = (
            sum(parse(each[name]) for each in receipts) for name in ("captured", "released", "held")
        )
        assert captured == before - alice.wallet.posted
        assert held - captured - released == alice.wallet.held
        assert captured == -sum(LedgerEntry.objects.filter(kind="capture").values_list("amount", flat=True))

    def test_a_stranger_sees_none(self, alice: Customer) -> None:
        path = f"/v1/tasks/{alice.generate(metadata={'secret': 'x'}).data['id']}/receipt"
        for stranger in (Customer("bob@example.com"), Customer(mode="live")):
            assert stranger.get(path).refusal == (404, "NOT_FOUND")
        assert alice.get(path, Authorization="").refusal == (401, "UNAUTHORIZED")
        assert alice.send("POST", path).refusal == (405, "METHOD_NOT_ALLOWED")


@pytest.mark.django_db(transaction=True)
class TestAttempts:
    LEAKY = ("vendor", "127.0.0.1", "job0", "fast", "5000", "0.005", "busy", "egg_")

    @pytest.mark.parametrize(
        ("fault", "outcomes", "ended"),
        [
            ("ok", ["delivered"], "completed"),
            ("e401", ["unavailable", "unavailable"], "upstream_unavailable"),
            ("e429-long", ["unavailable", "unavailable"], "upstream_unavailable"),
            ("e500", ["no_answer", "no_answer"], "upstream_unavailable"),
            ("empty", ["no_image", "no_image"], "no_image"),
            ("refused", ["refused"], "refused"),
            ("invalid", ["invalid"], "invalid"),
        ],
    )
    def test_they_are_told_in_our_own_words(
        self,
        customer: Customer,
        vendor: Vendor,
        add_route: Callable[..., Route],
        run: Callable[..., Task],
        fault: str,
        outcomes: list[str],
        ended: str,
    ) -> None:
        labels = [add_route(vendor.url).label, add_route(vendor.url).label]
        task = run(caller_of(customer), f"vendor:{fault}")
        answer = customer.get(f"/v1/tasks/{task.id}/receipt")
        shown = answer.data
        assert [each["outcome"] for each in shown["attempts"]] == outcomes
        assert [each["route"] for each in shown["attempts"]] == labels[: len(outcomes)]
        assert all(each["started_at"] <= each["ended_at"] for each in shown["attempts"])
        assert shown["ended"] == ended
        assert 0 <= shown["timings"]["waited_ms"] <= shown["timings"]["total_ms"]
        assert [word for word in self.LEAKY if word in without_numbers(answer.body.decode(), task)] == []


def without_numbers(receipt: str, task: Task) -> str:
    """Without ids, times and durations, whose digits may be any: 10:30:40.005 would look like half a cent."""
    for pattern in (task.id, TIME, f"#{task.price_id}", f'"key":{task.key_id}', r'_ms":\d+'):
        receipt, times = re.subn(pattern, "", receipt)
        assert times
    return receipt


def caller_of(customer: Customer) -> Caller:
    return Caller(customer.account.pk, customer.mode, customer.key.pk)
