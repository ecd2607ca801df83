"""/tasks: the list, its filters, its rows alone and its CSV."""

import csv
import re
from datetime import timedelta
from html import unescape

import pytest

from accounts import keyring
from accounts.fields import NewKey
from accounts.models import ApiKey
from eggapi import clock
from generation import privacy
from generation.models import Task
from tests.generation.story import end, make, tried
from tests.member import SCRIPT, Person

pytestmark = pytest.mark.django_db
GARBAGE = (
    *("status=done", "model=%00", "type=x", "key=9999", "key=-1", "key=99999999999999999999999"),
    *("from=2026-13-01", "to=tomorrow", "from=20260101", "from=2999-12-31T00:00", "cost=-1", "cost=1e999"),
    *("cost=%EF%BC%91", "fallback=yes", "q='%20OR%201=1", "q=gen_", "q=gen_%00", "q=gen_A", "status=%3Cscript%3E"),
)
HTMX = {"HX-Request": "true"}


@pytest.fixture
def alice(on_sale: None) -> Person:
    return Person("alice@example.com")


def key_of(person: Person, name: str = "server", mode: str = "test") -> ApiKey:
    key, _ = keyring.make(person.account, mode, NewKey(name))
    return key


def listed(person: Person, query: str = "") -> list[str]:
    return [line.task.prompt for line in person.http.get(f"/tasks{query}").context["listed"]]


def made(task: Task, days_ago: int) -> None:
    Task.objects.filter(pk=task.pk).update(created_at=clock.now() - timedelta(days=days_ago))


class TestList:
    def test_it_works(self, alice: Person) -> None:
        completed = end(make(alice, key_of(alice), prompt="a hen", num_outputs=2), images=2)
        end(make(alice, prompt="a cock"), images=0)
        make(alice, prompt="a chick")
        lines = alice.http.get("/tasks").context["listed"]
        assert [(line.task.prompt, line.key_name, bool(line.picture)) for line in lines] == [
            ("a chick", "Dashboard", False),
            ("a cock", "Dashboard", False),
            ("a hen", "server", True),
        ]
        page, source = alice.read("/tasks"), alice.source("/tasks")
        for said in ("completed", "failed", "pending", "$0.0200", "$0.00", "$0.0100 held", "kept for 15 days"):
            assert said in page
        assert f'<img class="thumb" src="/files/images/{completed.pk}/' in source
        assert f'href="/tasks/{completed.pk}"' in source

    def test_it_shows_the_mode_of_the_dashboard(self, alice: Person) -> None:
        make(alice, prompt="a test")
        alice.http.post("/mode", {"mode": "live"})
        assert listed(alice) == []

    def test_a_stranger_sees_none_of_it(self, alice: Person) -> None:
        task, bob = make(alice, key_of(alice, "secret key"), prompt="a secret"), Person("bob@example.com")
        make(bob, prompt="an own one")
        for query in ("", f"?key={task.key_id}", f"?q={task.pk[:10]}", f"?q={task.pk}", "?status=pending"):
            assert "secret" not in bob.source(f"/tasks{query}")
        assert "secret" not in _csv(bob, "")[1]

    def test_what_was_typed_is_text(self, alice: Person) -> None:
        make(alice, key_of(alice, SCRIPT), prompt=SCRIPT)
        assert SCRIPT not in alice.source("/tasks")
        assert alice.read("/tasks").count(SCRIPT) == 3  # the prompt, its key, and the key to choose

    def test_it_teaches_where_there_is_none(self, alice: Person) -> None:
        page = alice.read("/tasks")
        assert "Open the playground" in page
        assert "curl http://testserver/v1/generate" in page

    def test_a_forgotten_prompt_is_said_to_be(self, alice: Person) -> None:
        privacy.delete(end(make(alice, prompt="a secret")))
        assert "Prompt deleted" in alice.read("/tasks")

    def test_it_shows_no_picture_whose_time_is_over(self, alice: Person) -> None:
        task = end(make(alice))
        Task.objects.filter(pk=task.pk).update(expires_at=clock.now())
        assert "/files/" not in alice.source("/tasks")

    def test_zero_retention_is_said(self, alice: Person) -> None:
        make(alice)
        alice.account.zero_retention = True
        alice.account.save()
        assert "Zero retention" in alice.read("/tasks")

    def test_a_reader_is_not_offered_to_make_one(self, alice: Person) -> None:
        make(alice, prompt="a hen")
        reader = Person("rita@example.com", alice.account, role="reader")
        assert listed(reader) == ["a hen"]
        assert "New task" not in reader.read("/tasks")

    def test_it_asks_the_same_number_of_queries_for_many(self, alice: Person) -> None:
        end(make(alice, key_of(alice)))
        few = alice.queries("/tasks")
        for n in range(24):
            end(make(alice, key_of(alice, f"key {n}")))
        assert alice.queries("/tasks") == few

    def test_it_renews_itself_only_while_something_is_unfinished(self, alice: Person) -> None:
        task = make(alice)
        renewal = r'hx-get="(/tasks\?status=pending&amp;seen=\w+)" hx-trigger="every 2s"'
        assert re.search(renewal, alice.source("/tasks?status=pending"))
        end(task)
        assert "hx-trigger" not in alice.source("/tasks")

    def test_it_is_sent_again_only_when_something_is_new(self, alice: Person) -> None:
        for n in range(26):
            task = make(alice, prompt=f"egg {n}")
        found = re.search(r'hx-get="(/tasks[^"]+)"', alice.source("/tasks?status=pending"))
        assert found
        address = unescape(found[1])
        assert alice.http.get(address, headers=HTMX).status_code == 204
        end(task)
        reply = alice.http.get(address, headers=HTMX).content.decode()
        assert 'hx-get="/tasks?status=pending&amp;seen=' in reply
        assert found[1] not in reply
        make(alice)
        assert 'href="?status=pending&amp;page=2"' in alice.http.get(address, headers=HTMX).content.decode()

    def test_to_htmx_it_answers_with_the_rows_alone(self, alice: Person) -> None:
        make(alice, prompt="a hen")
        reply = alice.http.get("/tasks", headers=HTMX)
        assert reply.content.decode().strip().startswith('<div id="task-rows"')
        assert "a hen" in reply.content.decode()

    def test_it_has_pages(self, alice: Person) -> None:
        for n in range(27):
            make(alice, prompt=f"egg {n}")
        pages = [listed(alice, f"?page={page}&type=image_generate") for page in (1, 2)]
        assert [len(page) for page in pages] == [25, 2]
        assert set(sum(pages, [])) == {f"egg {n}" for n in range(27)}
        assert 'href="?type=image_generate&amp;page=2"' in alice.source("/tasks?type=image_generate")


class TestFilters:
    @pytest.fixture(autouse=True)
    def _tasks(self, alice: Person) -> None:
        key = key_of(alice)
        cheap = end(make(alice, key, prompt="cheap"))
        tried(cheap, 1, outcome="retryable")
        tried(cheap, 2)
        dear = end(make(alice, key, prompt="dear", model="nanobanana-pro", resolution="4k", num_outputs=2), images=2)
        tried(dear, 1)
        end(make(alice, prompt="gone wrong", image_urls=["https://example.com/a.png"]), images=0)
        made(make(alice, prompt="old"), days_ago=40)

    def test_they_combine(self, alice: Person) -> None:
        today, key = clock.now().date(), ApiKey.objects.get().pk
        expected = {
            "status=failed": ["gone wrong"],
            "model=nanobanana-pro": ["dear"],
            "type=image_edit": ["gone wrong"],
            "key=0": ["gone wrong", "old"],
            f"key={key}": ["dear", "cheap"],
            "cost=0.02": ["dear"],
            "cost=$0.01": ["dear", "cheap"],
            "fallback=1": ["cheap"],
            f"from={today}": ["gone wrong", "dear", "cheap"],
            f"to={today - timedelta(days=1)}": ["old"],
            f"key={key}&status=completed&cost=0.02": ["dear"],
            f"key={key}&fallback=1&model=nanobanana&from={today}&to={today}": ["cheap"],
            "key=0&status=completed": [],
        }
        assert {query: listed(alice, f"?{query}") for query in expected} == expected

    def test_garbage_is_ignored_and_said_to_be(self, alice: Person) -> None:
        for query in GARBAGE:
            assert listed(alice, f"?{query}") == ["gone wrong", "dear", "cheap", "old"]
            assert f"Ignored: {query.split('=')[0]} must" in alice.read(f"/tasks?{query}")

    def test_days_the_wrong_way_round_are_said_to_be(self, alice: Person) -> None:
        assert "Ignored: to must not be before from" in alice.read("/tasks?from=2026-05-02&to=2026-05-01")

    def test_odd_days_are_no_fault(self, alice: Person) -> None:
        for query in ("from=2999-12-31", "to=2000-01-01", "from=2000-01-01&to=2999-12-31", "page=x"):
            assert "Ignored" not in alice.read(f"/tasks?{query}")

    def test_an_id_leads_to_its_task(self, alice: Person) -> None:
        task = Task.objects.get(prompt="dear")
        reply = alice.http.get(f"/tasks?q=+{task.pk}+&status=failed")
        assert (reply.status_code, reply["Location"]) == (302, f"/tasks/{task.pk}")

    def test_the_beginning_of_an_id_finds_it(self, alice: Person) -> None:
        task = Task.objects.get(prompt="dear")
        assert listed(alice, f"?q={task.pk[:20]}") == ["dear"]

    def test_the_chart_counts_them(self, alice: Person) -> None:
        table = alice.read("/tasks").partition("as a table")[2]
        today = clock.now()
        assert "completed failed under way" in table
        assert f"{today:%b} {today.day} 2 1 0" in table
        only = alice.read("/tasks?model=nanobanana-pro").partition("as a table")[2]
        assert f"{today:%b} {today.day} 1 0 0" in only

    def test_the_chart_is_left_out_where_it_could_not_count(self, alice: Person) -> None:
        assert "as a table" not in alice.read("/tasks?cost=0.02")


def _csv(person: Person, query: str) -> tuple[list[list[str]], str]:
    reply = person.http.get(f"/tasks.csv{query}")
    assert reply["Content-Type"] == "text/csv; charset=utf-8"
    text = b"".join(reply.streaming_content).decode()  # type: ignore[attr-defined]
    return list(csv.reader(text.splitlines())), text


class TestCSV:
    def test_it_works(self, alice: Person) -> None:
        task = end(make(alice, key_of(alice), prompt="a hen, red"))
        (head, line), _ = _csv(alice, "")
        found = dict(zip(head, line, strict=True))
        assert found.pop("duration_ms").isdecimal()
        assert task.completed_at
        assert found == {
            "id": task.pk, "status": "completed", "model": "nanobanana", "type": "image_generate",
            "prompt": "a hen, red", "images": "1", "cost_usd": "0.010000", "key": "server",
            "created_at": clock.iso(task.created_at), "completed_at": clock.iso(task.completed_at), "error": "",
        }  # fmt: skip

    def test_it_has_the_filters_of_the_list(self, alice: Person) -> None:
        make(alice, prompt="a hen")
        end(make(alice, prompt="a cock"))
        rows, _ = _csv(alice, "?status=completed&page=7&cost=nonsense")
        assert [row[4] for row in rows[1:]] == ["a cock"]

    def test_no_cell_is_a_formula(self, alice: Person) -> None:
        for start in "=+-@":
            formula = f'{start}HYPERLINK("https://evil.example")'
            end(make(alice, key_of(alice, formula), prompt=formula), images=0, error=formula)
            line = _csv(alice, "")[0][1]
            assert [line[4], line[8], line[11]] == [f"'{formula}"] * 3

    def test_it_is_only_for_members(self, alice: Person) -> None:
        alice.http.logout()
        assert alice.http.get("/tasks.csv").status_code == 302
