"""GET /v1/usage and /v1/usage/summary: what was delivered, and what it cost."""

from datetime import datetime, timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from billing import usage
from billing.models import UsageRecord
from eggapi import clock, ids, pagination
from tests.customer import Customer

pytestmark = pytest.mark.django_db

PRICE = 10_000


@pytest.fixture
def alice() -> Customer:
    return Customer()


def deliver(
    customer: Customer, units: int = 1, model: str = "nanobanana", price: int = PRICE, at: datetime | None = None
) -> UsageRecord:
    record = UsageRecord(
        account=customer.account,
        mode=customer.mode,
        key=customer.key,
        task_id=ids.task_id(),
        model=model,
        type="image_generate",
        units=units,
        unit_price=price,
        cost=units * price,
        created_at=at or clock.now(),
    )
    usage.record([record])
    return record


def task_ids(customer: Customer, query: str = "") -> list[str]:
    return [item["task_id"] for item in customer.get(f"/v1/usage{query}").data["items"]]


class TestRecords:
    def test_it_works(self, alice: Customer) -> None:
        record = deliver(alice, units=3)
        assert alice.get("/v1/usage").data == {
            "items": [
                {
                    "id": record.task_id.replace("gen_", "use_"),
                    "task_id": record.task_id,
                    "model": "nanobanana",
                    "type": "image_generate",
                    "units": 3,
                    "unit_price": "$0.0100",
                    "cost": "$0.0300",
                    "created_at": clock.iso(record.created_at),
                }
            ],
            "pagination": {"page": 1, "per_page": 20, "total": 1, "total_pages": 1},
        }

    def test_the_newest_come_first_page_by_page(self, alice: Customer) -> None:
        start = clock.now() - timedelta(days=3)
        expected = [deliver(alice, at=start + timedelta(hours=n)).task_id for n in range(5)][::-1]
        assert [task_ids(alice, f"?per_page=2&page={page}") for page in (1, 2, 3)] == [
            expected[:2],
            expected[2:4],
            expected[4:],
        ]
        pages = alice.get("/v1/usage?per_page=2").data["pagination"]
        assert pages == {"page": 1, "per_page": 2, "total": 5, "total_pages": 3}

    def test_a_period_has_a_total_of_its_own(self, alice: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
        start = clock.now() - timedelta(days=3)
        records = [deliver(alice, at=start + timedelta(hours=n)).task_id for n in range(5)]
        query = f"?created_after={clock.iso(start + timedelta(minutes=1))}&created_before={clock.iso(clock.now())}"
        assert task_ids(alice, query) == records[:0:-1]
        assert alice.get(f"/v1/usage{query}").data["pagination"]["total"] == 4
        monkeypatch.setattr(pagination, "EXACT_TOTAL", 2)
        assert alice.get(f"/v1/usage{query}").data["pagination"]["total"] == 2

    @pytest.mark.parametrize("name", ["page", "per_page", "created_after", "created_before"])
    def test_a_bad_parameter_is_named(self, alice: Customer, name: str) -> None:
        for value in ("0", "x", "%00", "9" * 20, "0001-01-01T00:00:00%2B23:59"):
            assert alice.get(f"/v1/usage?{name}={value}").faults == [name]
        assert alice.get("/v1/usage?page=502").faults == ["page"]

    def test_an_id_does_not_say_how_much_others_use(self, alice: Customer) -> None:
        for _ in range(3):
            deliver(Customer("bob@example.com"))
        deliver(alice)
        assert len(alice.get("/v1/usage").data["items"][0]["id"]) == len("use_") + 24


class TestSummary:
    def test_it_works(self, alice: Customer) -> None:
        deliver(alice, units=2)
        deliver(alice, units=1, at=clock.now() - timedelta(days=40))
        deliver(alice, units=4, model="nanobanana-pro", price=16_000)
        answer = alice.get("/v1/usage/summary")
        assert [list(row.items()) for row in answer.data] == [
            [("model", "nanobanana"), ("total_units", 3), ("total_cost", "$0.0300"), ("request_count", 2)],
            [("model", "nanobanana-pro"), ("total_units", 4), ("total_cost", "$0.0640"), ("request_count", 1)],
        ]

    def test_nothing_used_is_an_empty_list(self, alice: Customer) -> None:
        assert alice.get("/v1/usage/summary").data == []

    def test_it_adds_up_all_keys_of_the_account(self, alice: Customer) -> None:
        deliver(alice)
        deliver(Customer())
        assert alice.get("/v1/usage/summary").data[0]["request_count"] == 2


@pytest.mark.parametrize("path", ["/v1/usage", "/v1/usage/summary"])
class TestWhose:
    def test_strangers_and_the_other_mode_are_left_out(self, alice: Customer, path: str) -> None:
        bob, live = Customer("bob@example.com"), Customer(mode="live")
        for customer, units in ((alice, 1), (bob, 2), (live, 3)):
            deliver(customer, units=units)
        for customer, units in ((alice, 1), (bob, 2), (live, 3)):
            data = customer.get(path).data
            rows = data["items"] if path == "/v1/usage" else data
            assert [row.get("units") or row["total_units"] for row in rows] == [units]

    def test_it_requires_a_key(self, alice: Customer, path: str) -> None:
        deliver(alice)
        alice.sign_in()
        assert alice.get(path, Authorization="").refusal == (401, "UNAUTHORIZED")

    def test_it_is_only_read_here(self, alice: Customer, path: str) -> None:
        answer = alice.send("POST", path, {})
        assert (answer.refusal, answer.headers["Allow"]) == ((405, "METHOD_NOT_ALLOWED"), "GET, HEAD, OPTIONS")

    @pytest.mark.parametrize("number", [1, 50])
    def test_its_queries_do_not_grow(
        self, alice: Customer, path: str, number: int, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        for n in range(number):
            deliver(alice, at=clock.now() - timedelta(days=n))
        alice.get(path)
        with django_assert_num_queries(3 if path == "/v1/usage" else 2):
            alice.get(f"{path}?per_page=100")
