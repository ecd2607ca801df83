"""/tasks/{id}: what became of a task, told on one page, and what its buttons do."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from accounts.models import Account
from billing.models import Hold
from eggapi import clock
from generation import cancel, privacy
from generation.models import Output, Provider, Status, Task
from generation.views.task import CAUSES
from tests.generation.story import UPSTREAM, called, end, make, tried
from tests.member import SCRIPT, Person
from webhooks.models import Event

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


@pytest.fixture
def alice(on_sale: None) -> Person:
    return Person("alice@example.com")


def page_of(task: Task) -> str:
    return f"/tasks/{task.pk}"


class TestPage:
    def test_it_works(self, alice: Person) -> None:
        task = make(alice, prompt="a hen", num_outputs=2, seed=7, webhook_url="https://receiver.example/hook")
        tried(task, 1, outcome="retryable")
        tried(task, 2)
        end(task, images=2)
        called(task, 500, "what was that?")
        called(task, 200)
        page = alice.read(page_of(task))
        for said in (
            *(task.pk, "completed", "$0.0200", "2 of 2", "a hen"),
            *("Route A", "fell back because the route was not available; 1 request, 3 polls", "Route B", "delivered"),
            *("Stored", "2 images", "Charged", "Webhook 1", "HTTP 500", "what was that?", "Webhook 2", "HTTP 200"),
            *("640 × 360, 2 KB", '"seed": 7', '"status": "completed"', '"event": "task.completed"'),
            *("Held", "Captured", "Released", "Price rule", "Run again", "Edit in playground", "Delete content"),
        ):
            assert said in page
        source = alice.source(page_of(task))
        assert source.count('loading="lazy"') == 2
        assert f'href="/playground?task={task.pk}"' in source
        assert "hx-trigger" not in source
        assert " style=" not in source

    def test_nothing_of_the_vendor_is_told(self, alice: Person) -> None:
        task = make(alice)
        tried(task, 1, outcome="refused")
        tried(task, 2)
        source = alice.source(page_of(end(task)))
        for secret in (UPSTREAM, "4567", "0.004567", *Provider.objects.values_list("name", flat=True)):
            assert secret not in source

    def test_a_stranger_sees_none(self, alice: Person) -> None:
        task, bob = end(make(alice, prompt="a secret")), Person("bob@example.com")
        for path in (page_of(task), "/tasks/gen_nothing", "/tasks/gen_%00"):
            assert bob.status(path) == 404
        for deed in ("again", "cancel", "forget"):
            assert bob.status(f"{page_of(task)}/{deed}", {}) == 404
        assert Task.objects.get().prompt == "a secret"

    def test_it_is_found_in_either_mode(self, alice: Person) -> None:
        task = make(alice)
        alice.http.post("/mode", {"mode": "live"})
        assert "This is a task of test mode" in alice.read(page_of(task))

    def test_what_was_typed_is_text(self, alice: Person) -> None:
        url = "https://receiver.example/?x=<script>alert(1)</script>"
        task = make(alice, prompt=SCRIPT, negative_prompt=SCRIPT, metadata={"<b>": SCRIPT}, webhook_url=url)
        end(task, images=0, error=SCRIPT)
        called(task, 200, SCRIPT)
        assert SCRIPT not in alice.source(page_of(task))
        assert "<b>" not in alice.source(page_of(task))

    def test_it_asks_the_same_number_of_queries_for_much(self, alice: Person) -> None:
        few, many = (
            make(alice, webhook_url="https://receiver.example/"),
            make(alice, webhook_url="https://receiver.example/", num_outputs=4),
        )
        tried(few, 1)
        tried(many, 1, outcome="retryable")
        tried(many, 2)
        called(end(few), 200)
        for _ in range(5):
            called(end(many, images=4) if many.status == Status.PENDING else many, 500)
        assert alice.queries(page_of(many)) == alice.queries(page_of(few))

    @pytest.mark.parametrize("ended", CAUSES)
    def test_a_failed_one_says_why_and_that_it_is_free(self, alice: Person, ended: str) -> None:
        page = alice.read(page_of(end(make(alice), images=0, ended=ended, error="Because.")))
        cause = CAUSES[ended]
        assert f"{cause.reason} Charged: $0.00. {cause.advice}" in page
        assert "Because." in page

    @pytest.mark.once
    def test_every_cause_is_explained_in_the_docs(self) -> None:
        for cause in CAUSES.values():
            name, _, section = cause.docs.removeprefix("/docs/").partition("#")
            text = Path(settings.BASE_DIR, "docs", f"{name}.md").read_text()
            assert f"##-{section}" in [line.lower().replace(" ", "-") for line in text.splitlines()]

    def test_what_has_expired_is_said_to_be(self, alice: Person) -> None:
        task = end(make(alice))
        Output.objects.update(path="")
        assert "The pictures have expired" in alice.read(page_of(task))

    def test_one_without_a_webhook_teaches(self, alice: Person) -> None:
        assert "This request had no webhook_url" in alice.read(page_of(end(make(alice))))


class TestLive:
    def test_it_follows_an_unfinished_task(self, alice: Person) -> None:
        task = make(alice)
        assert f'hx-get="{page_of(task)}?seen=pending" hx-trigger="every 1s"' in alice.source(page_of(task))
        reply = alice.http.get(f"{page_of(task)}?seen=pending", headers=HTMX)
        assert "HX-Retarget" not in reply
        assert "<html" not in reply.content.decode()
        assert 'id="live"' not in reply.content.decode()

    def test_once_it_has_ended_everything_is_renewed_and_said_aloud(self, alice: Person) -> None:
        task = end(make(alice))
        reply = alice.http.get(f"{page_of(task)}?seen=pending", headers=HTMX)
        assert (reply["HX-Retarget"], reply["HX-Reselect"]) == ("#task", "#task")
        assert '<div id="live" hx-swap-oob="innerHTML">The task is completed.</div>' in reply.content.decode()
        assert "hx-trigger" not in reply.content.decode()

    def test_it_waits_for_a_webhook_that_is_about_to_be_sent(self, alice: Person) -> None:
        task = end(make(alice, webhook_url="https://receiver.example/"))
        assert f'hx-get="{page_of(task)}?seen=completed"' in alice.source(page_of(task))


class TestDeeds:
    def test_it_runs_again(self, alice: Person) -> None:
        fields: dict[str, Any] = {
            "prompt": "a hen",
            "num_outputs": 2,
            "seed": 7,
            "metadata": {"a": "b"},
            "deadline_seconds": 60,
        }
        task = end(make(alice, **fields))
        page = alice.send(f"{page_of(task)}/again", {"once": "x"})
        made = Task.objects.exclude(pk=task.pk).get()
        assert "Running again, as a new task." in page
        assert made.pk in page
        names = ("account_id", "mode", "model", "type", "resolution", "aspect_ratio", *fields)
        assert [getattr(made, name) for name in names] == [getattr(task, name) for name in names]
        assert Hold.objects.get(pk=made.pk).amount == 20_000

    def test_a_form_sent_twice_makes_one_task(self, alice: Person) -> None:
        task = end(make(alice))
        pages = [alice.http.post(f"{page_of(task)}/again", {"once": "x"})["Location"] for _ in range(2)]
        assert pages[0] == pages[1]
        assert Task.objects.count() == 2

    def test_what_v1_refuses_is_told(self, alice: Person) -> None:
        live = Person("eve@example.com", mode="live")
        task = make(alice)
        Task.objects.filter(pk=task.pk).update(account=live.account, mode="live")
        Hold.objects.update(wallet=live.account.wallets.get(mode="live"))
        assert "No provider serves nanobanana" in live.send(f"{page_of(task)}/again")
        assert Task.objects.count() == 1

    def test_it_cancels_once(self, alice: Person) -> None:
        task = make(alice)
        assert "Canceled. Nothing was charged." in alice.send(f"{page_of(task)}/cancel")
        task.refresh_from_db()
        assert (task.status, task.ended, Hold.objects.get().state) == ("failed", cancel.ENDED, "released")
        assert "This task had ended already." in alice.send(f"{page_of(task)}/cancel")

    def test_it_deletes_the_content(self, alice: Person) -> None:
        task = end(make(alice, prompt="a secret", webhook_url="https://receiver.example/"))
        page = alice.send(f"{page_of(task)}/forget")
        assert "The prompt and the pictures of this task were deleted" in page
        assert "What was sent is deleted." in page
        assert "a secret" not in alice.source(page_of(task))
        assert "Run again" not in page
        assert Event.objects.get().emptied_at

    def test_it_deletes_no_unfinished_one_and_runs_no_deleted_one(self, alice: Person) -> None:
        task = make(alice)
        assert "cancel it first" in alice.send(f"{page_of(task)}/forget")
        privacy.delete(end(task))
        assert "cannot be run again" in alice.send(f"{page_of(task)}/again")
        assert Task.objects.count() == 1

    @pytest.mark.parametrize("deed", ["again", "cancel", "forget"])
    def test_a_reader_may_not(self, alice: Person, deed: str) -> None:
        task = make(alice, prompt="a hen")
        reader = Person("rita@example.com", alice.account, role="reader")
        assert "a hen" in reader.read(page_of(task))
        assert "Run again" not in reader.read(page_of(task))
        assert reader.status(f"{page_of(task)}/{deed}", {}) == 403
        assert [(row.status, row.prompt) for row in Task.objects.all()] == [("pending", "a hen")]

    def test_nobody_of_a_suspended_account_may(self, alice: Person) -> None:
        task = make(alice)
        Account.objects.filter(pk=alice.account.pk).update(suspended_at=clock.now())
        assert alice.status(f"{page_of(task)}/again", {}) == 403

    def test_they_want_a_post(self, alice: Person) -> None:
        assert alice.status(f"{page_of(make(alice))}/cancel") == 405


class TestWaterfall:
    def test_bars_stand_where_things_happened(self, alice: Person) -> None:
        task = make(alice)
        tried(task, 1, outcome="unknown", seconds=2)
        tried(task, 2, seconds=2)
        end(task)
        Task.objects.update(completed_at=task.created_at + timedelta(seconds=8))
        Hold.objects.update(closed_at=task.created_at + timedelta(seconds=8))
        bars = alice.http.get(page_of(task)).context["bars"]
        assert [(bar.step.name, bar.start, bar.length, bar.took) for bar in bars] == [
            ("Accepted", 0, 6, None),
            ("Queued", 0, 250, 2000),
            ("Route A", 250, 250, 2000),
            ("Route B", 500, 250, 2000),
            ("Stored", 994, 6, None),
            ("Charged", 994, 6, None),
        ]

    def test_a_webhook_that_came_hours_later_does_not_spoil_the_scale(self, alice: Person) -> None:
        task = make(alice, webhook_url="https://receiver.example/")
        tried(task, 1)
        end(task)
        Task.objects.update(completed_at=task.created_at + timedelta(seconds=2))
        called(task, 500, later=timedelta(hours=2))
        bars = alice.http.get(page_of(task)).context["bars"]
        assert [bar.step.name for bar in bars if bar.late] == ["Webhook 1"]
        assert next(bar for bar in bars if bar.step.name == "Route A").length == 500

    def test_of_a_new_task_little_is_known(self, alice: Person) -> None:
        bars = alice.http.get(page_of(make(alice))).context["bars"]
        assert [(bar.step.name, bar.step.until is None) for bar in bars] == [("Accepted", False), ("Queued", True)]
