"""A request that is sent again under the same Idempotency-Key is the same request."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from billing.models import Hold
from eggapi import clock
from eggapi.loop import Loop
from generation import catalog
from generation.models import ImageModel, Price, Route, Task
from tests.customer import EGG, Answer, Customer, at_once
from tests.emulators.vendor import Vendor
from tests.generation.conftest import DOLLAR, ended

PRICE = 10_000


@pytest.fixture
def alice(on_sale: None) -> Customer:
    return Customer()


def replayed(answer: Answer) -> bool:
    return "Idempotent-Replayed" in answer.headers


@pytest.mark.django_db
class TestReplay:
    def test_it_works(self, alice: Customer) -> None:
        first = alice.post(EGG, Idempotency_Key="order-7")
        again = alice.post(EGG, Idempotency_Key="order-7")
        assert (first.status, again.status, again.body) == (202, 202, first.body)
        assert (replayed(first), again.headers["Idempotent-Replayed"]) == (False, "true")
        assert (Task.objects.count(), Hold.objects.count(), alice.wallet.held) == (1, 1, PRICE)

    def test_without_a_key_every_request_is_a_new_one(self, alice: Customer) -> None:
        assert alice.generate().data["id"] != alice.generate().data["id"]

    def test_white_space_and_the_order_of_keys_do_not_matter(self, alice: Customer) -> None:
        first = alice.post(
            b'{"model":"nanobanana","prompt":"an egg \\u00e9","x":[1,{"b":2,"a":3}]}', Idempotency_Key="k"
        )
        spelled = '\n{ "x": [1, {"a":3, "b":2}],\t"prompt": "an egg é", "model": "nanobanana" }'.encode()
        assert alice.post(spelled, Idempotency_Key="k").body == first.body

    @pytest.mark.parametrize(
        "body",
        [
            EGG | {"prompt": "a hen"},
            EGG | {"prompt": "an egg "},
            EGG | {"num_outputs": 1},
            EGG | {"num_outputs": 9},
            EGG | {"x": None},
            {},
        ],
    )
    def test_another_body_is_refused(self, alice: Customer, body: dict[str, Any]) -> None:
        alice.post(EGG, Idempotency_Key="k")
        assert alice.post(body, Idempotency_Key="k").refusal == (422, "IDEMPOTENCY_MISMATCH")
        assert (Task.objects.count(), alice.wallet.held) == (1, PRICE)

    @pytest.mark.parametrize(("one", "other"), [(b"1", b"true"), (b"1", b"1.0"), (b"0", b"false"), (b'"1"', b"1")])
    def test_values_that_python_takes_for_equal_are_not(self, alice: Customer, one: bytes, other: bytes) -> None:
        body = b'{"model":"nanobanana","prompt":"an egg","x":%s}'
        assert alice.post(body % one, Idempotency_Key="k").status == 202
        assert alice.post(body % other, Idempotency_Key="k").status == 422

    def test_lone_surrogates_are_no_crash(self, alice: Customer) -> None:
        for key, body in (("k1", EGG | {"x": "\ud800"}), ("k2", EGG | {"\udfff": ["\ud800"]})):
            first = alice.post(body, Idempotency_Key=key)
            assert (first.status, alice.post(body, Idempotency_Key=key).body) == (202, first.body)
        assert alice.generate(prompt="\ud800").faults == ["prompt"]

    def test_an_empty_wallet_does_not_matter(self, alice: Customer) -> None:
        alice.leave(PRICE)
        first = alice.post(EGG, Idempotency_Key="k")
        assert (alice.wallet.available, alice.generate().status) == (0, 403)
        assert alice.post(EGG, Idempotency_Key="k").body == first.body

    def test_a_change_of_price_or_of_what_is_sold_does_not_matter(self, alice: Customer) -> None:
        first = alice.post(EGG, Idempotency_Key="k")
        model = ImageModel.objects.get(name="nanobanana")
        Price.objects.create(model=model, resolution="1k", amount=5 * PRICE, since=clock.now() + timedelta(0))
        catalog.changed()
        catalog._forget()
        assert alice.post(EGG, Idempotency_Key="k").body == first.body
        assert alice.wallet.held == PRICE
        alice.generate()
        assert alice.wallet.held == 6 * PRICE
        ImageModel.objects.update(enabled=False)
        catalog._forget()
        assert alice.post(EGG, Idempotency_Key="k").body == first.body

    def test_another_account_is_somebody_else(self, alice: Customer) -> None:
        bob = Customer("bob@example.com")
        first, other = alice.post(EGG, Idempotency_Key="k"), bob.post(EGG | {"prompt": "a hen"}, Idempotency_Key="k")
        assert (other.status, replayed(other)) == (202, False)
        assert (first.data["id"] != other.data["id"], bob.wallet.held) == (True, PRICE)

    def test_another_key_of_the_same_account_is_the_same_customer(self, alice: Customer) -> None:
        first = alice.post(EGG, Idempotency_Key="k")
        assert Customer().post(EGG, Idempotency_Key="k").body == first.body

    @pytest.mark.parametrize("key", ["", "k" * 256, "schlüssel", "k\tk", "k\x7f", "\xa0"])
    def test_it_requires_printable_ascii(self, alice: Customer, key: str) -> None:
        assert alice.post(EGG, Idempotency_Key=key).faults == ["Idempotency-Key"]
        alice.assert_nothing_happened()

    @pytest.mark.parametrize("key", ["k", "k" * 255, " ", "~!\"#$%&'()*+,-./", "'; DROP TABLE task; --"])
    def test_it_takes_all_of_it(self, alice: Customer, key: str) -> None:
        first = alice.post(EGG, Idempotency_Key=key)
        assert (first.status, alice.post(EGG, Idempotency_Key=key).body) == (202, first.body)

    def test_a_refusal_is_not_kept(self, alice: Customer) -> None:
        alice.leave(PRICE - 1)
        assert alice.post(EGG, Idempotency_Key="k").refusal == (403, "INSUFFICIENT_BALANCE")
        assert alice.post(EGG | {"num_outputs": 0}, Idempotency_Key="k").faults == ["num_outputs"]
        alice.leave(PRICE)
        answer = alice.post(EGG, Idempotency_Key="k")
        assert (answer.status, replayed(answer), alice.wallet.held) == (202, False, PRICE)


@pytest.mark.django_db(transaction=True)
class TestInTime:
    def test_it_is_the_same_after_completion(
        self, on_sale: None, vendor: Vendor, add_route: Callable[..., Route], engine: Loop[Any]
    ) -> None:
        add_route(vendor.url)
        alice = Customer(mode="live")
        alice.leave(DOLLAR)
        first = alice.post(EGG, Idempotency_Key="k")
        engine.wake()
        assert ended(Task.objects.get()).status == "completed"
        again = alice.post(EGG, Idempotency_Key="k")
        assert (again.status, again.body, replayed(again)) == (202, first.body, True)
        assert alice.wallet.posted == DOLLAR - PRICE

    def test_the_other_mode_is_another_world(
        self, on_sale: None, vendor: Vendor, add_route: Callable[..., Route]
    ) -> None:
        add_route(vendor.url)
        test, live = Customer(mode="test"), Customer(mode="live")
        live.leave(DOLLAR)
        first, other = test.post(EGG, Idempotency_Key="k"), live.post(EGG, Idempotency_Key="k")
        assert (other.status, replayed(other), live.wallet.held) == (202, False, PRICE)
        assert first.data["id"] != other.data["id"]

    @pytest.mark.parametrize("money_for", [1, 3, 100])
    def test_of_20_at_once_one_is_carried_out(self, alice: Customer, money_for: int) -> None:
        alice.leave(money_for * PRICE)
        answers = at_once(20, lambda _: alice.post(EGG, Idempotency_Key="k"))
        assert {answer.status for answer in answers} <= {202, 409}
        accepted = [answer for answer in answers if answer.status == 202]
        assert len({answer.body for answer in accepted}) == 1
        assert [replayed(answer) for answer in accepted].count(False) == 1
        assert all(answer.headers["Retry-After"] == "1" for answer in answers if answer.status == 409)
        assert (Task.objects.count(), Hold.objects.count()) == (1, 1)
        assert (alice.wallet.held, alice.wallet.task_count) == (PRICE, 1)

    def test_of_two_bodies_at_once_one_wins(self, alice: Customer) -> None:
        answers = at_once(20, lambda n: alice.post(EGG | {"prompt": f"egg {n % 2}"}, Idempotency_Key="k"))
        statuses = Counter(answer.status for answer in answers)
        assert statuses.keys() <= {202, 409, 422}
        assert statuses[422] <= 10
        assert len({answer.body for answer in answers if answer.status == 202}) == 1
        assert (Task.objects.count(), alice.wallet.held) == (1, PRICE)

    def test_20_keys_at_once_do_not_disturb_each_other(self, alice: Customer) -> None:
        answers = at_once(20, lambda n: alice.post(EGG, Idempotency_Key=f"k{n}"))
        assert {answer.status for answer in answers} == {202}
        assert (Task.objects.count(), alice.wallet.held) == (20, 20 * PRICE)

    @pytest.mark.postgres_only
    def test_one_still_being_accepted_is_in_flight(self, alice: Customer, database_url: str) -> None:
        with psycopg.connect(database_url) as other_process:
            other_process.execute("SELECT 1 FROM billing_wallet WHERE id = %s FOR UPDATE", [alice.wallet.pk])
            answer = alice.post(EGG, Idempotency_Key="k")
            assert (answer.refusal, answer.headers["Retry-After"]) == ((409, "IDEMPOTENCY_IN_FLIGHT"), "1")
            answer = alice.generate()
            assert (answer.refusal, answer.headers["Retry-After"]) == ((503, "SERVICE_UNAVAILABLE"), "2")
        alice.assert_nothing_happened()
        assert alice.post(EGG, Idempotency_Key="k").status == 202
