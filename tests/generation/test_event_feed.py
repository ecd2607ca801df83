"""GET /v1/events: what was missed, in the order it was committed, and the same as everywhere else."""

import json
from typing import Any

import pytest

from eggapi import batch, clock
from generation.models import Task
from generation.settle import Ending, settle
from generation.storage import Picture
from tests.customer import EGG, Customer, at_once
from webhooks.models import Delivery, Event


@pytest.fixture
def alice(on_sale: None) -> Customer:
    return Customer()


def ended(customer: Customer, count: int = 1, images: int = 1) -> list[str]:
    """The ids of tasks that have ended, in their order."""
    ids = [customer.post(EGG | {"webhook_url": "https://example.com/"}).data["id"] for _ in range(count)]
    pictures = [Picture(n, f"{n}.png", "image/png", 1, 1, 1) for n in range(images)]
    for task_id in ids:
        ending = Ending(Task.objects.get(pk=task_id), "done", "No.", pictures, fenced=False)
        assert batch.run(settle, [ending]) == [True]
    return ids


def fed(customer: Customer, query: str = "") -> Any:
    return customer.get(f"/v1/events{query}").data


@pytest.mark.django_db
class TestFeed:
    def test_it_works(self, alice: Customer) -> None:
        task_id = ended(alice)[0]
        event = Event.objects.get()
        assert fed(alice) == {
            "items": [
                {
                    "id": event.id,
                    "type": "task.completed",
                    "created_at": clock.iso(event.created_at),
                    "data": json.loads(bytes(event.payload)),
                }
            ],
            "has_more": False,
        }
        assert json.loads(bytes(event.payload))["task_id"] == task_id
        assert Delivery.objects.get().event_id == event.id

    def test_it_goes_on_after_what_is_known(self, alice: Customer) -> None:
        ids = ended(alice, 5)
        found, query = [], "?limit=2"
        while True:
            page = fed(alice, query)
            found += [event["data"]["task_id"] for event in page["items"]]
            if not page["has_more"]:
                break
            query = f"?limit=2&after={page['items'][-1]['id']}"
        assert found == ids
        last = page["items"][-1]["id"]
        assert fed(alice, f"?after={last}") == {"items": [], "has_more": False}
        (later,) = ended(alice, images=0)
        assert [event["data"]["task_id"] for event in fed(alice, f"?after={last}")["items"]] == [later]

    def test_it_begins_with_the_first(self, alice: Customer) -> None:
        ids = ended(alice, 3)
        for query in ("", "?after=", "?limit=100000"):
            assert [event["data"]["task_id"] for event in fed(alice, query)["items"]] == ids

    @pytest.mark.parametrize("after", ["x", "msg_000000000000000000000000", "%00", "%ff", "'", "0", "x" * 5000])
    def test_an_id_that_is_none_is_refused(self, alice: Customer, after: str) -> None:
        ended(alice)
        assert alice.get(f"/v1/events?after={after}").faults == ["after"]

    @pytest.mark.parametrize("limit", ["0", "-1", "x", "1.5", "%00"])
    def test_a_limit_is_a_number(self, alice: Customer, limit: str) -> None:
        assert alice.get(f"/v1/events?limit={limit}").faults == ["limit"]

    def test_a_test_event_is_news_to_nobody(self, alice: Customer) -> None:
        event = Event.objects.create(
            id="msg_aaaaaaaaaaaaaaaaaaaaaaaa",
            account=alice.account,
            mode=alice.mode,
            type=Event.Type.TEST,
            payload=b"{}",
            created_at=clock.now(),
        )
        assert fed(alice)["items"] == []
        assert alice.get(f"/v1/events?after={event.id}").faults == ["after"]

    def test_a_body_that_was_forgotten_is_null(self, alice: Customer) -> None:
        ended(alice)
        Event.objects.update(payload=b"", emptied_at=clock.now())
        assert fed(alice)["items"][0]["data"] is None


@pytest.mark.django_db
class TestWhose:
    def test_a_stranger_sees_nothing_and_learns_no_id(self, alice: Customer) -> None:
        ended(alice)
        event_id = Event.objects.get().id
        for stranger in (Customer("bob@example.com"), Customer(mode="live")):
            assert fed(stranger)["items"] == []
            assert stranger.get(f"/v1/events?after={event_id}").faults == ["after"]

    def test_another_key_of_the_account_sees_the_same(self, alice: Customer) -> None:
        ended(alice, 2)
        assert fed(Customer()) == fed(alice)

    def test_it_is_for_keys_alone(self, alice: Customer) -> None:
        alice.sign_in()
        assert alice.get("/v1/events", Authorization="").refusal == (401, "UNAUTHORIZED")
        assert alice.send("POST", "/v1/events").refusal == (405, "METHOD_NOT_ALLOWED")


@pytest.mark.postgres_only
@pytest.mark.django_db(transaction=True)
def test_who_reads_while_tasks_end_misses_none(alice: Customer) -> None:
    ids = [alice.generate().data["id"] for _ in range(60)]

    def work(n: int) -> list[str]:
        if n:
            for task_id in ids[n - 1 :: 3]:
                ending = Ending(Task.objects.get(pk=task_id), "no_image", "No.", fenced=False)
                assert batch.run(settle, [ending]) == [True]
            return []
        seen: list[str] = []
        after = ""
        while len(seen) < len(ids):
            items = fed(alice, f"?limit=7&after={after}")["items"]
            seen += [event["data"]["task_id"] for event in items]
            after = items[-1]["id"] if items else after
        return seen

    seen, *_ = at_once(4, work)
    assert sorted(seen) == sorted(ids)
