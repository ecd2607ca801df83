"""/status: how the service does, as a page, as JSON and as a feed."""

from datetime import timedelta

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from eggapi import clock, switches
from eggapi.models import Day, Incident
from generation import catalog, condition
from generation.models import Heartbeat, ImageModel, Price, Provider

pytestmark = pytest.mark.usefixtures("on_sale")
BAD = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def alive(db: None) -> None:
    condition.forget()
    switches.forget()
    Heartbeat.objects.create(worker="one", at=clock.now())


def look_anew() -> dict[str, str]:
    condition.forget()
    return condition.now()


def test_it_works(client: Client) -> None:
    condition.look()
    condition.look()
    assert {(day.part, day.looks, day.degraded, day.down) for day in Day.objects.all()} == {
        (part, 2, 0, 0) for part in ("api", "workers", "nanobanana", "nanobanana-pro")
    }
    said = client.get("/status.json").json()
    assert (said["state"], said["incidents"]) == ("up", [])
    assert [(part["name"], part["state"], part["uptime"]) for part in said["parts"]] == [
        (part, "up", 100.0) for part in ("api", "workers", "nanobanana", "nanobanana-pro")
    ]
    page = client.get("/status")
    assert (page.status_code, "Everything works" in page.text) == (200, True)


def test_it_takes_two_queries_however_many_parts_there_are(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    condition.now()
    with django_assert_num_queries(2):
        assert len(condition.parts()) == 4


def test_workers_that_are_silent_are_down() -> None:
    Heartbeat.objects.update(at=clock.now() - timedelta(seconds=31))
    assert look_anew()["workers"] == "down"


def test_paused_submissions_are_an_outage() -> None:
    switches.pause("submits", "maintenance", "ann@example.com")
    switches.forget()
    assert look_anew()["api"] == "down"


def test_a_model_without_a_route_is_down() -> None:
    Provider.objects.update(enabled=False)
    catalog.changed()
    catalog._forget()
    ImageModel.objects.get(name="nanobanana").routes.update(enabled=False)
    catalog._forget()
    assert look_anew()["nanobanana"] == "down"


def test_minutes_nobody_looked_count_as_down() -> None:
    today = clock.now().date()
    for ago, looks in ((3, 700), (2, 1440), (1, 1340)):
        Day.objects.create(part="api", day=today - timedelta(days=ago), looks=looks)
    Day.objects.create(part="api", day=today, looks=1440)
    api = next(part for part in condition.parts() if part.name == "api")
    assert [(bar.state, bar.down) for bar in api.bars[-5:]] == [("", 0), ("up", 0), ("up", 0), ("down", 100), ("up", 0)]


def test_incidents_are_told_and_escaped(client: Client) -> None:
    now = clock.now()
    Incident.objects.create(title=BAD, text=BAD, impact="down", part="nanobanana", started_at=now)
    Incident.objects.create(
        title="Old", text="It is over.", started_at=now - timedelta(days=2), ended_at=now - timedelta(days=1)
    )
    Incident.objects.create(title="Ancient", text="", started_at=now - timedelta(days=91), ended_at=now)
    assert [each["title"] for each in client.get("/status.json").json()["incidents"]] == [BAD, "Old"]
    for address in ("/status", "/status.rss"):
        text = client.get(address).text
        assert (BAD in text, "&lt;script&gt;alert(1)&lt;/script&gt;" in text) == (False, True)


def test_an_open_incident_is_told_however_old(client: Client) -> None:
    Incident.objects.create(title="For ever", text="", impact="degraded", started_at=clock.now() - timedelta(days=91))
    assert [each["title"] for each in client.get("/status.json").json()["incidents"]] == ["For ever"]


def test_with_one_open_incident_none_is_past(client: Client) -> None:
    Incident.objects.create(title="Slow", text="", impact="degraded", started_at=clock.now())
    page = client.get("/status").text
    assert (page.count("Slow"), page.count("None in the last 90 days.")) == (1, 1)


def test_it_names_no_provider(client: Client) -> None:
    said = client.get("/status").text + client.get("/status.json").text
    assert [name for name in Provider.objects.values_list("name", flat=True) if name in said] == []


def test_a_price_begins_when_its_time_has_come() -> None:
    model = ImageModel.objects.get(name="nanobanana")
    Price.objects.update(since=clock.now() - timedelta(days=1))
    Price.objects.create(model=model, resolution="1k", amount=777, since=clock.now() + timedelta(hours=1))
    catalog._forget()
    assert catalog.current().models["nanobanana"].prices["1k"] != 777
    Price.objects.filter(amount=777).update(since=clock.now() - timedelta(seconds=30))
    catalog.begin_prices()
    catalog._forget()
    assert catalog.current().models["nanobanana"].prices["1k"] == 777
