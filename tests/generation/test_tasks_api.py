"""GET /v1/tasks/{id}: a task as its owner sees it."""

import json
import re
from datetime import timedelta

import pytest
from pytest_django import DjangoAssertNumQueries, Settings

from eggapi import clock
from generation.models import Task
from tests.customer import Customer
from tests.generation.past import add_task

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> Customer:
    return Customer()


def times(task: Task, *names: str) -> dict[str, str]:
    return {name: clock.iso(getattr(task, name)) for name in names}


class TestShape:
    def test_it_works(self, alice: Customer) -> None:
        task = add_task(alice, "completed")
        data = alice.get(f"/v1/tasks/{task.id}").data
        url = data["output"]["url"]
        assert data == {
            "id": task.id,
            "status": "completed",
            "model": "nanobanana",
            "type": "image_generate",
            "output": {"url": url, "urls": [url]},
            "cost": "$0.0100",
            **times(task, "created_at", "started_at", "completed_at"),
        }
        assert url.startswith(f"http://testserver/files/images/{task.id}/{task.path_token}/0.png?expires=")

    def test_images_come_in_their_order(self, alice: Customer) -> None:
        task = add_task(alice, "completed", outputs=4)
        output = alice.get(f"/v1/tasks/{task.id}").data["output"]
        assert [re.findall(r"/(\d)\.png\?", url) for url in output["urls"]] == [["0"], ["1"], ["2"], ["3"]]
        assert output["url"] == output["urls"][0]

    def test_addresses_stay_the_same(self, alice: Customer) -> None:
        task = add_task(alice, "completed")
        assert alice.get(f"/v1/tasks/{task.id}").body == alice.get(f"/v1/tasks/{task.id}").body

    def test_addresses_lead_to_the_public_address(self, alice: Customer, settings: Settings) -> None:
        settings.EGGAPI_PUBLIC_URL = "https://api.example.com"
        task = add_task(alice, "completed")
        url = alice.get(f"/v1/tasks/{task.id}", Host="evil.example").data["output"]["url"]
        assert url.startswith("https://api.example.com/files/images/")

    def test_a_failed_task_says_why(self, alice: Customer) -> None:
        task = add_task(alice, "failed")
        answer = alice.get(f"/v1/tasks/{task.id}")
        assert (answer.status, answer.data) == (
            200,
            {
                "id": task.id,
                "status": "failed",
                "model": "nanobanana",
                "type": "image_generate",
                "error": "Content moderation: no",
                "cost": "$0.00",
                **times(task, "created_at", "started_at", "completed_at"),
            },
        )

    @pytest.mark.parametrize(
        ("status", "when"), [("pending", ["created_at"]), ("processing", ["created_at", "started_at"])]
    )
    def test_an_unfinished_task_shows_nothing_that_looks_finished(
        self, alice: Customer, status: str, when: list[str]
    ) -> None:
        task = add_task(alice, status)
        answer = alice.get(f"/v1/tasks/{task.id}")
        known = {"id": task.id, "status": status, "model": "nanobanana", "type": "image_generate", "cost": "$0.00"}
        assert answer.data == known | times(task, *when)
        assert b"http" not in answer.body
        assert b"complete" not in answer.body

    @pytest.mark.parametrize("status", ["pending", "processing", "completed", "failed"])
    def test_nothing_the_customer_sent_comes_back(self, alice: Customer, status: str) -> None:
        body = alice.get(f"/v1/tasks/{add_task(alice, status).id}").body
        assert [word for word in (b"PROMPT", b"NEGATIVE", b"webhook", b"reference", b".example") if word in body] == []

    def test_money_is_exact(self, alice: Customer) -> None:
        for cost, shown in [
            (16_000, "$0.0160"),
            (1, "$0.000001"),
            (15, "$0.000015"),
            (1_234_567_890_000, "$1234567.8900"),
        ]:
            task = add_task(alice, "completed", cost=cost)
            assert alice.get(f"/v1/tasks/{task.id}").data["cost"] == shown

    def test_head_is_get_without_the_body(self, alice: Customer) -> None:
        answer = alice.send("HEAD", f"/v1/tasks/{add_task(alice).id}")
        assert (answer.status, answer.body) == (200, b"")


class TestWhose:
    @pytest.mark.parametrize("status", ["pending", "completed"])
    def test_a_stranger_finds_nothing(self, alice: Customer, status: str) -> None:
        task = add_task(alice, status)
        answer = Customer("bob@example.com").get(f"/v1/tasks/{task.id}")
        assert answer.refusal == (404, "NOT_FOUND")
        assert answer.error["message"] == "There is no such task."

    def test_the_other_mode_finds_nothing(self, alice: Customer) -> None:
        task = add_task(alice)
        assert Customer(mode="live").get(f"/v1/tasks/{task.id}").refusal == (404, "NOT_FOUND")

    def test_another_key_of_the_account_finds_it(self, alice: Customer) -> None:
        assert Customer().get(f"/v1/tasks/{add_task(alice).id}").status == 200

    def test_the_dashboard_finds_it_in_its_mode(self, alice: Customer) -> None:
        test, live = add_task(alice), add_task(Customer(mode="live"))
        alice.sign_in()
        assert alice.get(f"/v1/tasks/{test.id}", Authorization="").status == 200
        assert alice.get(f"/v1/tasks/{live.id}", Authorization="").status == 404

    def test_it_requires_somebody(self, alice: Customer) -> None:
        assert alice.get(f"/v1/tasks/{add_task(alice).id}", Authorization="").refusal == (401, "UNAUTHORIZED")

    @pytest.mark.parametrize(
        "name", ["gen_abc123def456", "gen_%00", "%00", "%ff%fe", "a%2Fb", "%F0%9F%A5%9A", "x" * 5000, "'"]
    )
    def test_an_odd_id_is_not_found(self, alice: Customer, name: str) -> None:
        add_task(alice)
        assert alice.get(f"/v1/tasks/{name}").refusal == (404, "NOT_FOUND")

    def test_it_is_only_read_and_deleted_here(self, alice: Customer) -> None:
        path = f"/v1/tasks/{add_task(alice).id}"
        for method in ("POST", "PUT", "PATCH"):
            answer = alice.send(method, path, {"status": "completed"})
            assert answer.refusal == (405, "METHOD_NOT_ALLOWED")
            assert answer.headers["Allow"] == "GET, DELETE, HEAD, OPTIONS"
        assert alice.send("GET", f"{path}/").refusal == (404, "NOT_FOUND")


@pytest.mark.parametrize("outputs", [1, 4])
def test_it_takes_three_queries(
    alice: Customer, outputs: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """The key, the task, its images."""
    task = add_task(alice, "completed", outputs=outputs)
    alice.get(f"/v1/tasks/{task.id}")
    with django_assert_num_queries(3):
        alice.get(f"/v1/tasks/{task.id}")


def test_times_are_utc_with_milliseconds(alice: Customer) -> None:
    at = clock.now().replace(microsecond=999_999) - timedelta(days=1)
    body = json.loads(alice.get(f"/v1/tasks/{add_task(alice, at=at).id}").body)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.999Z", body["data"]["created_at"])
