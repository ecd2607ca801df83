"""`dry_run`, `max_cost` and `metadata`: what is known before anything is bought."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from billing.models import Wallet
from eggapi import clock
from generation import catalog
from generation.models import Breaker, Provider, Route, Task
from tests.customer import EGG, Customer

pytestmark = pytest.mark.django_db

LEAKY = ("vendor", "127.0.0.1", "secret reason", "fast", "0.005")


class TestDryRun:
    def test_it_works(self, customer: Customer, add_route: Callable[..., Route]) -> None:
        add_route("http://127.0.0.1:1")
        add_route("http://127.0.0.1:2")
        answer = customer.generate(dry_run=True, num_outputs=3)
        assert (answer.status, answer.data) == (
            200,
            {
                "dry_run": True,
                "cost": "$0.0300",
                "covered": True,
                "routes": [{"route": "Route 2", "obstacle": None}, {"route": "Route 3", "obstacle": None}],
            },
        )
        assert not Task.objects.exists()
        assert customer.wallet.held == 0

    def test_it_says_what_speaks_against_a_route_and_nothing_of_the_vendor(
        self, customer: Customer, add_route: Callable[..., Route]
    ) -> None:
        narrow, tripped, full, dear, well = (add_route(f"http://127.0.0.1:{n}") for n in range(1, 6))
        Route.objects.filter(pk=narrow.pk).update(conditions={"aspect_ratio": ["9:16"]})
        Provider.objects.filter(pk=full.provider_id).update(concurrency=0)
        Route.objects.filter(pk=dear.pk).update(cost=90_000, require_margin=True)
        now = clock.now()
        Breaker.objects.create(
            provider=tripped.provider,
            upstream_model="fast",
            reason="secret reason",
            opened_at=now,
            open_until=now + timedelta(seconds=15),
            seconds=15,
        )
        catalog.changed()
        catalog._forget()
        answer = customer.generate(dry_run=True)
        assert answer.data["routes"] == [
            {"route": narrow.label, "obstacle": "unsuitable", "fields": ["aspect_ratio"]},
            {"route": tripped.label, "obstacle": "busy"},
            {"route": full.label, "obstacle": "busy"},
            {"route": dear.label, "obstacle": "unavailable"},
            {"route": well.label, "obstacle": None},
        ]
        assert [word for word in LEAKY if word in answer.body.decode()] == []

    def test_it_says_when_the_balance_does_not_cover_it(
        self, customer: Customer, add_route: Callable[..., Any]
    ) -> None:
        add_route("http://127.0.0.1:1")
        customer.leave(19_999)
        assert customer.generate(dry_run=True).data["covered"] is True
        assert customer.generate(dry_run=True, num_outputs=2).data["covered"] is False
        Wallet.objects.update(owed=1)
        assert customer.generate(dry_run=True).data["covered"] is False

    def test_it_refuses_what_a_submission_refuses(self, customer: Customer, add_route: Callable[..., Any]) -> None:
        assert customer.generate(dry_run=True).refusal == (503, "SERVICE_UNAVAILABLE")
        add_route("http://127.0.0.1:1")
        assert customer.generate(dry_run=True, resolution="4k").faults == ["resolution"]
        assert customer.generate(dry_run=True, max_cost="0.001").faults == ["max_cost"]

    @pytest.mark.parametrize("value", [0, 1, "", "true", [], {}, 0.0, "false"])
    def test_nothing_but_true_and_false_is_one(self, customer: Customer, value: Any) -> None:
        assert customer.generate(dry_run=value).faults == ["dry_run"]
        customer.assert_nothing_happened()

    def test_false_makes_a_task(self, customer: Customer, add_route: Callable[..., Any]) -> None:
        add_route("http://127.0.0.1:1")
        assert customer.generate(dry_run=False).status == 202

    def test_it_takes_no_idempotency_key(self, customer: Customer, add_route: Callable[..., Any]) -> None:
        add_route("http://127.0.0.1:1")
        assert customer.post(EGG | {"dry_run": True}, Idempotency_Key="k").status == 200
        assert customer.post(EGG, Idempotency_Key="k").status == 202


class TestMaxCost:
    @pytest.mark.parametrize("most", ["0.02", "$0.0200", 0.02, 1, "2e-2", 10**12])
    def test_a_price_within_it_is_accepted(self, most: Any) -> None:
        assert sandboxed().generate(num_outputs=2, max_cost=most).status == 202

    @pytest.mark.parametrize("most", ["0.019999", 0.019999, 0, "$0", 1e-06])
    def test_a_price_beyond_it_is_refused_before_any_hold(self, most: Any) -> None:
        alice = sandboxed()
        answer = alice.generate(num_outputs=2, max_cost=most)
        assert answer.error["fields"] == {"max_cost": "is less than the price of $0.0200"}
        assert answer.refusal == (400, "VALIDATION_ERROR")
        alice.assert_nothing_happened()

    @pytest.mark.parametrize(
        "most", [True, "", "ten", "-1", -1, "0.0000001", 0.1 + 0.2, [], {}, "1,00", "NaN", 10**30, 1e300, "９"]
    )
    def test_anything_else_is_none(self, most: Any) -> None:
        alice = sandboxed()
        assert alice.generate(max_cost=most).faults == ["max_cost"]
        alice.assert_nothing_happened()


VALUES: tuple[Any, ...] = (1, None, True, [], {})


class TestMetadata:
    def test_it_is_kept_as_it_is_and_shown_in_the_receipt_alone(self) -> None:
        alice = sandboxed()
        metadata = {"order": " 12 ", "k" * 40: "v" * 500, "ключ": "🥚"}
        task = alice.generate(metadata=metadata)
        assert "metadata" not in task.data
        path = f"/v1/tasks/{task.data['id']}"
        assert "metadata" not in alice.get(path).data
        assert alice.get(f"{path}/receipt").data["metadata"] == metadata
        assert Task.objects.get().metadata == metadata

    @pytest.mark.parametrize("metadata", [None, {}, {str(n): "x" for n in range(16)}])
    def test_it_may_be_small_or_large(self, metadata: Any) -> None:
        alice = sandboxed()
        task = alice.generate(metadata=metadata)
        assert alice.get(f"/v1/tasks/{task.data['id']}/receipt").data["metadata"] == metadata

    @pytest.mark.parametrize(
        "metadata",
        [
            *([], "x", 1, True),
            {str(n): "x" for n in range(17)},
            {"": "x"},
            {"k" * 41: "x"},
            {"k": "v" * 501},
            *[{"k": value} for value in VALUES],
            {"k\0": "x"},
            {"k": "\0"},
            {"k": "\ud800"},
            {"\udfff": "x"},
        ],
    )
    def test_anything_else_is_refused(self, metadata: Any) -> None:
        alice = sandboxed()
        assert alice.generate(metadata=metadata).faults == ["metadata"]
        alice.assert_nothing_happened()


def sandboxed() -> Customer:
    catalog.seed()
    catalog._forget()
    return Customer()
