"""GET /v1/tasks: an account's tasks, newest first, in pages."""

from datetime import timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from billing.models import Wallet
from eggapi import clock, pagination
from generation.models import Task
from tests.customer import Answer, Customer
from tests.generation.past import add_task

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> Customer:
    return Customer()


def add_tasks(customer: Customer, number: int, status: str = "pending") -> list[str]:
    """Ids, newest first."""
    start = clock.now() - timedelta(hours=1)
    return [add_task(customer, status, at=start - timedelta(seconds=n)).id for n in range(number)]


def ids(answer: Answer) -> list[str]:
    return [item["id"] for item in answer.data["items"]]


class TestPages:
    def test_it_works(self, alice: Customer) -> None:
        expected = add_tasks(alice, 5)
        answer = alice.get("/v1/tasks")
        assert list(answer.data) == ["items", "pagination"]
        assert ids(answer) == expected
        assert list(answer.data["pagination"].items()) == [
            ("page", 1),
            ("per_page", 20),
            ("total", 5),
            ("total_pages", 1),
        ]

    def test_an_item_is_what_its_own_address_shows(self, alice: Customer) -> None:
        for status in ("pending", "processing", "failed", "completed"):
            task = add_task(alice, status, outputs=3)
            assert alice.get("/v1/tasks").data["items"][0] == alice.get(f"/v1/tasks/{task.id}").data

    def test_they_follow_each_other(self, alice: Customer) -> None:
        expected = add_tasks(alice, 5)
        pages = [alice.get(f"/v1/tasks?page={page}&per_page=2") for page in (1, 2, 3, 4)]
        assert [ids(page) for page in pages] == [expected[:2], expected[2:4], expected[4:], []]
        assert pages[3].data["pagination"] == {"page": 4, "per_page": 2, "total": 5, "total_pages": 3}

    def test_tasks_of_one_moment_keep_their_order(self, alice: Customer) -> None:
        at = clock.now()
        tasks = [add_task(alice, at=at).id for _ in range(6)]
        pages = [ids(alice.get(f"/v1/tasks?page={page}&per_page=2")) for page in (1, 2, 3)]
        assert sum(pages, []) == sorted(tasks, reverse=True)

    def test_nobody_has_nothing(self, alice: Customer) -> None:
        pagination = {"page": 1, "per_page": 20, "total": 0, "total_pages": 0}
        assert alice.get("/v1/tasks").data == {"items": [], "pagination": pagination}

    @pytest.mark.parametrize(
        ("asked", "given"), [("100", 100), ("101", 100), ("1000000000", 100), ("", 20), ("001", 1)]
    )
    def test_their_size_is_capped(self, alice: Customer, asked: str, given: int) -> None:
        assert alice.get(f"/v1/tasks?per_page={asked}").data["pagination"]["per_page"] == given

    @pytest.mark.parametrize("name", ["page", "per_page"])
    @pytest.mark.parametrize(
        "number",
        [
            "0",
            "-1",
            "1.5",
            "1e2",
            "x",
            " 1",
            "%2B1",
            "%C2%B2",
            "%D9%A1",
            "%00",
            "9" * 12,
            "1" * 13,
            "0" * 11 + "1" * 5000,
        ],
    )
    def test_a_bad_number_is_named(self, alice: Customer, name: str, number: str) -> None:
        assert alice.get(f"/v1/tasks?{name}={number}").faults == [name]

    def test_they_end_at_the_ten_thousandth_task(self, alice: Customer) -> None:
        Wallet.objects.update(task_count=50_000)
        answer = alice.get("/v1/tasks?page=501")
        assert answer.data["pagination"] == {"page": 501, "per_page": 20, "total": 50_000, "total_pages": 2500}
        for query in ("page=502", "page=102&per_page=100", "page=1000000000"):
            beyond = alice.get(f"/v1/tasks?{query}")
            assert beyond.faults == ["page"]
            assert "created_before" in beyond.error["message"]

    @pytest.mark.parametrize(
        "query", ["format=xml", "nothing=1", "page", "a[b]=c", "%ff=%fe", "&&=", "PAGE=x", "callback=alert"]
    )
    def test_other_parameters_are_ignored(self, alice: Customer, query: str) -> None:
        expected = add_tasks(alice, 1)
        assert ids(alice.get(f"/v1/tasks?{query}")) == expected


class TestFilters:
    def test_by_status(self, alice: Customer) -> None:
        tasks = {status: add_task(alice, status).id for status in ("pending", "processing", "completed", "failed")}
        for status, task_id in tasks.items():
            answer = alice.get(f"/v1/tasks?status={status}")
            assert (ids(answer), answer.data["pagination"]["total"]) == ([task_id], 1)

    def test_by_model(self, alice: Customer) -> None:
        add_task(alice)
        pro = add_task(alice, model="nanobanana-pro")
        assert ids(alice.get("/v1/tasks?model=nanobanana-pro")) == [pro.id]
        assert ids(alice.get("/v1/tasks?model=veo3.1")) == []

    def test_by_key(self, alice: Customer) -> None:
        other = Customer()
        add_task(alice)
        task = add_task(other)
        assert ids(alice.get(f"/v1/tasks?key={other.key.pk}")) == [task.id]

    def test_by_time_without_its_ends(self, alice: Customer) -> None:
        at = clock.now().replace(microsecond=0)
        tasks = [add_task(alice, at=at + timedelta(seconds=n)).id for n in range(5)]
        after, before = clock.iso(at), clock.iso(at + timedelta(seconds=4))
        assert ids(alice.get(f"/v1/tasks?created_after={after}&created_before={before}")) == tasks[3:0:-1]

    def test_created_before_goes_on_where_a_page_ended(self, alice: Customer) -> None:
        expected = add_tasks(alice, 5)
        last = alice.get("/v1/tasks?per_page=3").data["items"][-1]
        assert ids(alice.get(f"/v1/tasks?created_before={last['created_at']}")) == expected[3:]

    def test_all_of_them_together(self, alice: Customer) -> None:
        add_tasks(alice, 3, "completed")
        task = add_task(alice, "failed", model="nanobanana-pro")
        query = f"status=failed&model=nanobanana-pro&key={alice.key.pk}&created_after=2020-01-01T00:00:00Z&per_page=1"
        answer = alice.get(f"/v1/tasks?{query}")
        assert ids(answer) == [task.id]
        assert answer.data["pagination"] == {"page": 1, "per_page": 1, "total": 1, "total_pages": 1}

    def test_a_filtered_total_is_counted_so_far_and_no_further(
        self, alice: Customer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pagination, "EXACT_TOTAL", 3)
        add_tasks(alice, 5, "completed")
        assert alice.get("/v1/tasks?status=completed&per_page=2").data["pagination"]["total"] == 3
        assert alice.get("/v1/tasks?per_page=2").data["pagination"]["total"] == 5

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("status", "done"),
            ("status", "COMPLETED"),
            ("status", "%00"),
            ("model", "nano%00banana"),
            ("key", "x"),
            ("key", "-1"),
            ("key", "9" * 19),
            ("key", "%D9%A1"),
            ("created_after", "yesterday"),
            ("created_after", "2026-05-08"),
            ("created_after", "2026-05-08T10:30:00"),
            ("created_after", "2026-02-30T10:30:00Z"),
            ("created_after", "0001-01-01T00:00:00%2B23:59"),
            ("created_before", "9999-12-31T23:59:59-23:59"),
            ("created_before", "1778236200"),
            ("created_before", "%00"),
            ("created_before", "%002026-05-08T10:30:00Z"),
        ],
    )
    def test_a_bad_value_is_named(self, alice: Customer, name: str, value: str) -> None:
        add_task(alice)
        assert alice.get(f"/v1/tasks?{name}={value}").faults == [name]

    @pytest.mark.parametrize(
        "moment", ["2026-05-08T10:30:00.123456Z", "2026-05-08T10:30:00%2B08:00", "0001-01-01T00:00:00Z"]
    )
    def test_a_time_may_have_any_zone(self, alice: Customer, moment: str) -> None:
        expected = add_tasks(alice, 1)
        assert ids(alice.get(f"/v1/tasks?created_after={moment}")) == expected


class TestWhose:
    def test_strangers_and_the_other_mode_are_left_out(self, alice: Customer) -> None:
        bob, live = Customer("bob@example.com"), Customer(mode="live")
        expected = {customer: add_tasks(customer, 2, "completed") for customer in (alice, bob, live)}
        for customer, own in expected.items():
            for query in ("", "?status=completed", "?created_after=2020-01-01T00:00:00Z"):
                answer = customer.get(f"/v1/tasks{query}")
                assert (ids(answer), answer.data["pagination"]["total"]) == (own, 2)

    def test_somebody_elses_key_finds_nothing(self, alice: Customer) -> None:
        bob = Customer("bob@example.com")
        add_task(bob)
        assert ids(alice.get(f"/v1/tasks?key={bob.key.pk}")) == []

    def test_the_dashboard_lists_its_mode(self, alice: Customer) -> None:
        expected = add_tasks(alice, 2)
        add_task(Customer(mode="live"))
        alice.sign_in()
        assert ids(alice.get("/v1/tasks", Authorization="")) == expected

    def test_it_requires_somebody(self, alice: Customer) -> None:
        add_task(alice)
        assert alice.get("/v1/tasks", Authorization="").refusal == (401, "UNAUTHORIZED")

    def test_submitted_tasks_are_there_and_counted(self, on_sale: None, alice: Customer) -> None:
        task_id = alice.generate().data["id"]
        answer = alice.get("/v1/tasks")
        assert (ids(answer), answer.data["pagination"]["total"]) == ([task_id], 1)
        assert b"an egg" not in answer.body

    def test_it_is_only_read_here(self, alice: Customer) -> None:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            answer = alice.send(method, "/v1/tasks", {})
            assert (answer.refusal, answer.headers["Allow"]) == ((405, "METHOD_NOT_ALLOWED"), "GET, HEAD, OPTIONS")


@pytest.mark.parametrize("number", [1, 50])
def test_it_takes_four_queries(alice: Customer, number: int, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    """The key, the count, the tasks, their images."""
    add_tasks(alice, number, "completed")
    alice.get("/v1/tasks?per_page=100")
    for query in ("", "&status=completed"):
        with django_assert_num_queries(4):
            assert len(ids(alice.get(f"/v1/tasks?per_page=100{query}"))) == number
    assert Task.objects.count() == number
