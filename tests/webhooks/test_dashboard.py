"""/v1/webhooks: for people signed in to the dashboard."""

import json
from datetime import timedelta
from typing import Any

import pytest

from accounts.models import AuditEntry
from eggapi import clock, openapi
from eggapi.ratelimit import Limit
from tests.customer import Answer, Customer
from tests.kit.test_openapi import assert_fits, content
from tests.webhooks.conftest import queue
from webhooks import secrets
from webhooks.models import Delivery, DeliveryAttempt, Event, Origin

pytestmark = pytest.mark.django_db
HOOK = "https://example.com/hook"
HOST = "example.com:443"
LONG_AGO = "2020-01-01T00:00:00Z"


class Person(Customer):
    """Somebody at the dashboard, who sends no key."""

    def __init__(self, email: str) -> None:
        super().__init__(email)
        self.sign_in()

    def ask(self, path: str) -> Answer:
        return described(self.get(f"/v1/webhooks/{path}", Authorization=""), path, "get")

    def tell(self, path: str, body: Any = None, **headers: str) -> Answer:
        headers = {"Authorization": "", "X_CSRFToken": self.csrf_token} | headers
        return described(self.send("POST", f"/v1/webhooks/{path}", body or {}, **headers), path, "post")


def described(answer: Answer, path: str, method: str) -> Answer:
    """What is answered is what is documented."""
    name = f"/v1/webhooks/{path.partition('?')[0]}"
    head, _, rest = name.partition("/deliveries/")
    documented = f"{head}/deliveries/{{event_id}}{''.join(rest.partition('/')[1:])}" if rest else name
    response = openapi.document()["paths"][documented][method]["responses"][str(answer.status)]
    assert_fits(json.loads(answer.body), content(response)["schema"])
    return answer


@pytest.fixture
def alice() -> Person:
    return Person("alice@example.com")


@pytest.fixture
def bob() -> Person:
    return Person("bob@example.com")


def deliver(person: Person, state: str = "delivered", url: str = HOOK) -> Delivery:
    queue(person.account, url, payload=b'{"event":"task.completed"}')
    one: Delivery = Delivery.objects.latest("pk")
    DeliveryAttempt.objects.create(delivery=one, n=1, at=clock.now(), status=503, milliseconds=7, reply="later")
    Delivery.objects.filter(pk=one.pk).update(
        state=state,
        attempts=1,
        next_run_at=clock.now() if state == "due" else None,
        delivered_at=clock.now() if state == "delivered" else None,
    )
    return one


def disable(person: Person) -> None:
    now = clock.now()
    Origin.objects.create(
        account=person.account, host=HOST, failures=12, first_failure_at=now, last_failure_at=now,
        last_error="timeout", disabled_at=now,
    )  # fmt: skip


class TestList:
    def test_it_works(self, alice: Person, bob: Person) -> None:
        deliver(bob)
        older, newer = deliver(alice, "failed"), deliver(alice)
        page = alice.ask("deliveries").data
        assert [item["id"] for item in page["items"]] == [newer.event_id, older.event_id]
        assert page["pagination"] == {"page": 1, "per_page": 20, "total": 2, "total_pages": 1}
        item = page["items"][1]
        assert (item["state"], item["attempts"], item["most_attempts"]) == ("failed", 1, 10)
        assert (item["url"], item["host"], item["task_id"]) == (HOOK, HOST, older.event.task_id)

    def test_it_filters(self, alice: Person) -> None:
        failed, other = deliver(alice, "failed"), deliver(alice, url="https://other.example/")
        waiting = deliver(alice, "due")
        Delivery.objects.filter(pk=waiting.pk).update(created_at=other.created_at + timedelta(minutes=2))
        for query, found in [
            ("state=failed", [failed]),
            ("state=due", [waiting]),
            ("state=stopped", []),
            ("host=other.example:443", [other]),
            (f"task_id={failed.event.task_id}", [failed]),
            ("type=task.completed&state=delivered", [other]),
            ("type=webhook.test", []),
            (f"created_after={clock.iso(other.created_at + timedelta(minutes=1))}", [waiting]),
            (f"created_before={LONG_AGO}", []),
            ("state=&host=", [waiting, other, failed]),
        ]:
            items = alice.ask(f"deliveries?{query}").data["items"]
            assert [item["id"] for item in items] == [one.event_id for one in found], query

    @pytest.mark.parametrize("name", ["state", "type", "host", "task_id", "page", "created_after"])
    def test_it_names_what_is_wrong(self, alice: Person, name: str) -> None:
        assert alice.ask(f"deliveries?{name}=%00").faults == [name]

    def test_it_shows_the_mode_chosen(self, alice: Person) -> None:
        one = deliver(alice)
        Delivery.objects.filter(pk=one.pk).update(mode="live")
        assert alice.ask("deliveries").data["items"] == []
        assert alice.ask(f"deliveries/{one.event_id}").refusal == (404, "NOT_FOUND")

    def test_its_queries_do_not_grow(self, alice: Person, django_assert_num_queries: Any) -> None:
        for _ in range(3):
            deliver(alice)
        with django_assert_num_queries(5):  # session, person, account, page, total
            assert len(alice.ask("deliveries").data["items"]) == 3


class TestOne:
    def test_it_works(self, alice: Person) -> None:
        one = deliver(alice)
        shown = alice.ask(f"deliveries/{one.event_id}").data
        assert shown["payload"] == '{"event":"task.completed"}'
        (attempt,) = shown["log"]
        assert (attempt["n"], attempt["status"], attempt["milliseconds"], attempt["reply"]) == (1, 503, 7, "later")

    def test_what_is_forgotten_is_null(self, alice: Person) -> None:
        one = deliver(alice)
        Event.objects.update(payload=b"", emptied_at=clock.now())
        assert alice.ask(f"deliveries/{one.event_id}").data["payload"] is None
        assert alice.tell(f"deliveries/{one.event_id}/resend").refusal == (404, "NOT_FOUND")

    def test_it_is_sent_again(self, alice: Person) -> None:
        one = deliver(alice)
        answer = alice.tell(f"deliveries/{one.event_id}/resend")
        assert (answer.status, answer.data["state"], answer.data["most_attempts"]) == (202, "due", 2)

    @pytest.mark.parametrize("event_id", ["msg_nothing", "msg_" + "0" * 24, "%00", "1"])
    def test_there_may_be_none(self, alice: Person, event_id: str) -> None:
        assert alice.ask(f"deliveries/{event_id}").refusal == (404, "NOT_FOUND")
        assert alice.tell(f"deliveries/{event_id}/resend").refusal == (404, "NOT_FOUND")


class TestMany:
    def test_recovering(self, alice: Person) -> None:
        deliver(alice, "failed")
        answer = alice.tell("recover", {"since": LONG_AGO})
        assert (answer.status, answer.data) == (202, {"queued": 1})

    @pytest.mark.parametrize("since", [None, "", "yesterday", "2026-02-30T00:00:00Z", "2026-01-01", 7, "a\0"])
    def test_recovering_needs_a_time(self, alice: Person, since: Any) -> None:
        assert alice.tell("recover", {"since": since}).faults == ["since"]

    @pytest.mark.parametrize("since", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
    def test_a_time_beyond_all_times_is_none(self, alice: Person, since: str) -> None:
        assert alice.tell("recover", {"since": since}).faults == ["since"]

    def test_replaying(self, alice: Person) -> None:
        deliver(alice, "stopped")
        answer = alice.tell("replay")
        assert (answer.status, answer.data) == (202, {"queued": 1})


class TestTest:
    def test_it_works(self, alice: Person) -> None:
        answer = alice.tell("test", {"url": HOOK})
        assert (answer.status, answer.data["type"], answer.data["state"]) == (202, "webhook.test", "due")
        assert alice.ask(f"deliveries/{answer.data['id']}").data["log"] == []

    @pytest.mark.parametrize(
        "url",
        [
            None,
            7,
            "http://example.com/",
            "https://169.254.169.254/latest",
            "https://0x7f000001/",
            "https://example.com:6379/",
            "https://ann:secret@example.com/",
            "https://example.com/\r\nHost: x",
            "file:///etc/passwd",
            "https://example.com/" + "x" * 10_000,
        ],
    )
    def test_it_rejects_what_is_refused_at_submit(self, alice: Person, url: Any) -> None:
        assert alice.tell("test", {"url": url}).faults == ["url"]
        assert not Event.objects.exists()

    def test_there_are_twenty_a_minute(self, alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Limit, "interval", property(lambda _: 3_600_000_000))  # nothing refills meanwhile
        statuses = [alice.tell("test", {"url": HOOK}).status for _ in range(22)]
        assert statuses == [202] * 20 + [429] * 2


class TestSecret:
    def test_it_works(self, alice: Person) -> None:
        answer = alice.tell("secret/rotate", {"overlap": "7d"})
        assert (answer.status, answer.headers["Cache-Control"]) == (201, "no-store")
        (newest, older) = secrets.live([alice.account.pk], clock.now())[alice.account.pk]
        assert answer.data == {"secret": newest.plain, "overlap": "7d"}
        assert older.expires_at
        assert timedelta(days=6) < older.expires_at - clock.now() <= timedelta(days=7)
        entry = AuditEntry.objects.get(action="webhook_secret.rotate")
        assert (entry.actor, entry.account) == (alice.account.members.get(), alice.account)

    def test_the_overlap_is_a_day_unless_said(self, alice: Person) -> None:
        assert alice.tell("secret/rotate").data["overlap"] == "24h"
        assert alice.tell("secret/rotate", {"overlap": "1h"}).faults == ["overlap"]
        assert alice.account.webhook_secrets.count() == 2


class TestOrigins:
    def test_it_works(self, alice: Person, bob: Person) -> None:
        disable(alice)
        (item,) = alice.ask("origins").data["items"]
        assert (item["host"], item["state"], item["failures"]) == (HOST, "disabled", 12)
        assert bob.ask("origins").data["items"] == []
        assert alice.tell("origins", {"host": HOST}).data == {"host": HOST, "enabled": True}
        assert alice.ask("origins").data["items"] == []

    def test_one_that_is_not_disabled_is_none(self, alice: Person, bob: Person) -> None:
        disable(bob)
        assert alice.tell("origins", {"host": HOST}).refusal == (404, "NOT_FOUND")
        assert alice.tell("origins", {"host": "a\0"}).faults == ["host"]
        assert Origin.objects.count() == 1


def test_a_stranger_sees_and_does_nothing(alice: Person, bob: Person) -> None:
    one, secret = deliver(alice, "failed"), alice.account.webhook_secrets.get().plain
    assert bob.ask("deliveries").data["items"] == []
    assert bob.ask(f"deliveries/{one.event_id}").refusal == (404, "NOT_FOUND")
    assert bob.tell(f"deliveries/{one.event_id}/resend").refusal == (404, "NOT_FOUND")
    assert bob.tell("recover", {"since": LONG_AGO}).data == bob.tell("replay").data == {"queued": 0}
    bob.tell("secret/rotate", {"overlap": "now"})
    one.refresh_from_db()
    assert (one.state, one.granted) == ("failed", 10)
    assert alice.account.webhook_secrets.get().plain == secret


POSTS = ["deliveries/msg_x/resend", "recover", "replay", "test", "secret/rotate", "origins"]


@pytest.mark.parametrize("path", ["deliveries", "deliveries/msg_x", "origins"])
def test_a_key_sees_nothing(alice: Person, path: str) -> None:
    assert alice.get(f"/v1/webhooks/{path}").refusal == (401, "UNAUTHORIZED")


@pytest.mark.parametrize("path", POSTS)
def test_a_key_or_a_page_of_somebody_else_does_nothing(alice: Person, path: str) -> None:
    assert alice.send("POST", f"/v1/webhooks/{path}", {}).refusal == (401, "UNAUTHORIZED")
    assert alice.tell(path, X_CSRFToken="").refusal == (403, "FORBIDDEN")
    assert alice.account.webhook_secrets.count() == 1
