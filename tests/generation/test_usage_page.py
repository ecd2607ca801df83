"""/usage: the figures of /v1/usage/summary by model, key, day and type, and its CSV."""

import csv
from datetime import date, timedelta
from typing import Any

import pytest

from accounts import keyring, keys
from accounts.fields import NewKey
from accounts.models import ApiKey, Mode
from billing.models import DailyUsage
from eggapi import clock, money
from generation.views.usage import change
from tests.generation.story import end, make
from tests.member import SCRIPT, Person

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice(on_sale: None) -> Person:
    return Person("alice@example.com")


def used(person: Person, days_ago: int, cost: int, *, key: int = 0, model: str = "nanobanana", **fields: Any) -> None:
    kind = {"account": person.account, "mode": "test", "type": "image_generate", "key": key, "model": model} | fields
    day = clock.now().date() - timedelta(days=days_ago)
    DailyUsage.objects.create(day=day, units=2, requests=1, cost=cost, **kind)


def lines(person: Person, query: str) -> dict[str, tuple[int, str]]:
    return {each.name: (each.sums.cost, each.change) for each in person.http.get(f"/usage{query}").context["listed"]}


def _csv(person: Person, query: str = "") -> list[list[str]]:
    reply = person.http.get(f"/usage.csv{query}")
    assert reply["Content-Type"] == "text/csv; charset=utf-8"
    text = b"".join(reply.streaming_content).decode()  # type: ignore[attr-defined]
    return list(csv.reader(text.splitlines()))


class TestPage:
    def test_it_works(self, alice: Person) -> None:
        key, _ = keyring.make(alice.account, "test", NewKey("server"))
        used(alice, 0, 50_000, key=key.pk)
        used(alice, 1, 30_000, model="nanobanana-pro", type="image_edit")
        used(alice, 7, 40_000)
        assert lines(alice, "?period=7d") == {"nanobanana": (50_000, "+25 %"), "nanobanana-pro": (30_000, "new")}
        assert lines(alice, "?period=7d&group=key") == {"server": (50_000, "new"), "Dashboard": (30_000, "-25 %")}
        assert lines(alice, "?period=7d&group=type") == {
            "image_generate": (50_000, "+25 %"),
            "image_edit": (30_000, "new"),
        }
        today = clock.now().date()
        assert list(lines(alice, "?period=7d&group=day")) == [f"{today - timedelta(days=1)}", f"{today}"]
        page = alice.read("/usage?period=7d")
        for said in ("$0.0800", "+100 %, $0.0400 before", "4", "days in UTC", "Cost per day (UTC)"):
            assert said in page

    def test_it_agrees_with_the_summary_of_v1(self, alice: Person) -> None:
        _, secret = keys.mint(alice.account, Mode.TEST, "server")
        server = ApiKey.objects.get(name="server")
        for n in range(3):
            end(make(alice, server, num_outputs=4), images=n + 1)
        end(make(alice, model="nanobanana-pro"))
        end(make(alice), images=0)
        answer = alice.http.get("/v1/usage/summary", headers={"Authorization": f"Bearer {secret}"}).json()["data"]
        shown = alice.http.get("/usage").context
        assert answer == [
            {
                "model": each.name,
                "total_units": each.sums.units,
                "total_cost": money.display(each.sums.cost),
                "request_count": each.sums.requests,
            }
            for each in sorted(shown["listed"], key=lambda each: str(each.name))
        ]
        assert (shown["total"].requests, shown["total"].units, shown["total"].cost) == (4, 7, 76_000)
        assert sum(float(row[6]) for row in _csv(alice)[1:]) == pytest.approx(0.076)

    def test_a_stranger_and_the_other_mode_see_none(self, alice: Person) -> None:
        used(alice, 0, 5_000_000)
        used(alice, 0, 7_000_000, mode="live")
        bob = Person("bob@example.com")
        for person, amount in ((bob, "$5.0000"), (alice, "$7.0000")):
            assert amount not in person.read("/usage?group=key")
        assert len(_csv(bob)) == 1
        assert [row[6] for row in _csv(alice)[1:]] == ["5.000000"]

    def test_garbage_is_ignored_and_said_to_be(self, alice: Person) -> None:
        used(alice, 0, 50_000)
        page = alice.read("/usage?period=%00&group=<b>&from=x")
        assert "Ignored: period must be one of 7d, 30d, 90d, month, custom" in page
        assert "$0.0500" in page

    def test_a_year_is_drawn_by_months(self, alice: Person) -> None:
        used(alice, 0, 50_000)
        today = clock.now().date()
        page = alice.read(f"/usage?from={today - timedelta(days=364)}&to={today}")
        assert "Cost per month (UTC)" in page

    def test_names_are_text(self, alice: Person) -> None:
        key, _ = keyring.make(alice.account, "test", NewKey(SCRIPT))
        used(alice, 0, 50_000, key=key.pk)
        assert SCRIPT not in alice.source("/usage?group=key")
        assert SCRIPT in alice.read("/usage?group=key")

    def test_it_teaches_where_there_is_none(self, alice: Person) -> None:
        assert "There is none in these days." in alice.read("/usage")

    def test_it_asks_the_same_number_of_queries_for_many(self, alice: Person) -> None:
        used(alice, 0, 1000)
        few = alice.queries("/usage?group=key")
        for n in range(20):
            used(alice, n % 5, 1000, key=keyring.make(alice.account, "test", NewKey(f"key {n}"))[0].pk)
        assert alice.queries("/usage?group=key") == few


class TestCSV:
    def test_it_works(self, alice: Person) -> None:
        key, _ = keyring.make(alice.account, "test", NewKey("=1+1"))
        used(alice, 0, 50_000, key=key.pk)
        used(alice, 40, 50_000)
        today: date = clock.now().date()
        assert _csv(alice, "?group=day") == [
            ["day", "model", "key", "type", "requests", "images", "cost_usd"],
            [f"{today}", "nanobanana", "'=1+1", "image_generate", "1", "2", "0.050000"],
        ]


@pytest.mark.parametrize(
    ("now", "before", "said"), [(112, 100, "+12 %"), (0, 5, "-100 %"), (5, 0, "new"), (0, 0, ""), (5, 5, "as before")]
)
def test_a_change_is_said_as_people_do(now: int, before: int, said: str) -> None:
    assert change(now, before) == said
