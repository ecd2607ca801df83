"""Which route a task takes, and what keeps it from one."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F

from accounts.caller import Caller
from accounts.models import Account, Mode
from billing import ledger
from eggapi import clock
from eggapi.errors import ValidationFailed
from generation import breaker, catalog, route, settle
from generation.catalog import RouteEntry
from generation.models import Attempt, Breaker, Provider, Route, Task
from generation.route import Exhausted, Search, Traffic, Wait
from generation.settle import Ending
from generation.submit import submit
from tests.generation.conftest import DOLLAR

pytestmark = pytest.mark.django_db

Add = Callable[..., Route]
Wish = Callable[..., Search]


@pytest.fixture
def add(add_route: Callable[..., Route]) -> Add:
    """Adds a live route of nanobanana-pro, which nobody will call; its provider may have a `concurrency`."""

    def with_fields(concurrency: int | None = None, **fields: Any) -> Route:
        made = add_route("http://127.0.0.1:1", model="nanobanana-pro")
        Provider.objects.filter(pk=made.provider_id).update(concurrency=concurrency)
        Route.objects.filter(pk=made.pk).update(**fields)
        catalog.changed()
        catalog._forget()
        return made

    return with_fields


@pytest.fixture
def wish(alice: Caller) -> Wish:
    """A task that looks for its first route."""

    def search(**fields: Any) -> Search:
        return Search(submit(alice, {"model": "nanobanana-pro", "prompt": "an egg", **fields})[0])

    return search


def chosen(search: Search) -> Any:
    found = route.choose(search, Traffic.read())
    return found.id if isinstance(found, RouteEntry) else found


def obstacles(search: Search) -> list[str]:
    return [option.obstacle for option in route.options(search, Traffic.read())]


def trip(on: Route, seconds: int, **fields: Any) -> Breaker:
    now = clock.now()
    return Breaker.objects.create(
        provider_id=on.provider_id,
        upstream_model="fast",
        reason="route_down: no such key",
        opened_at=now,
        open_until=now + timedelta(seconds=seconds),
        seconds=15,
        **fields,
    )


def test_it_works(add: Add, wish: Wish) -> None:
    add(priority=20)
    first = add(priority=10)
    assert chosen(wish()) == first.id


def test_equal_priorities_share_by_weight(add: Add, wish: Wish) -> None:
    heavy, light = add(priority=10, weight=3), add(priority=10, weight=1)
    search, traffic = wish(), Traffic.read()
    shares: Counter[int] = Counter()
    for number in range(400):
        search.task.id = f"gen_{number}"
        found = route.choose(search, traffic)
        assert isinstance(found, RouteEntry)
        shares[found.id] += 1
    assert set(shares) == {heavy.id, light.id}
    assert 0.68 < shares[heavy.id] / 400 < 0.82


def test_a_task_keeps_its_order(add: Add, wish: Wish) -> None:
    for _ in range(5):
        add(priority=10)
    search = wish()
    assert len({chosen(search) for _ in range(20)}) == 1


def test_value_takes_the_cheapest(add: Add, wish: Wish) -> None:
    add(priority=1, cost=9000)
    cheap = add(priority=9, cost=4000)
    assert chosen(wish(strategy="value")) == cheap.id


def test_value_knows_what_4k_and_references_cost(add: Add, wish: Wish) -> None:
    dear_at_4k = add(cost=1000, cost_4k=30_000)
    other = add(cost=5000)
    assert chosen(wish(strategy="value")) == dear_at_4k.id
    assert chosen(wish(strategy="value", resolution="4k")) == other.id
    Route.objects.filter(pk=dear_at_4k.id).update(cost_per_reference=10_000)
    catalog.changed()
    catalog._forget()
    assert chosen(wish(strategy="value", image_urls=["https://example.com/a.png"])) == other.id


def test_official_takes_only_official_routes(add: Add, wish: Wish) -> None:
    add(priority=1)
    official = add(priority=9, official=True)
    assert chosen(wish(strategy="official")) == official.id


def test_submit_refuses_official_where_nothing_is(add: Add, alice: Caller) -> None:
    add()
    with pytest.raises(ValidationFailed) as refusal:
        submit(alice, {"model": "nanobanana-pro", "prompt": "an egg", "strategy": "official"})
    assert refusal.value.fields == {"strategy": "no route of nanobanana-pro can serve this"}
    assert not Task.objects.exists()


def test_submit_names_both_sides_of_an_impossible_combination(add: Add, alice: Caller) -> None:
    add(conditions={"resolution": ["1k"]}, official=True)
    add(conditions={"resolution": ["4k"]})
    with pytest.raises(ValidationFailed) as refusal:
        submit(alice, {"model": "nanobanana-pro", "prompt": "an egg", "strategy": "official", "resolution": "4k"})
    assert list(refusal.value.fields) == ["resolution", "strategy"]


def test_conditions_narrow_a_route(add: Add, wish: Wish) -> None:
    only_4k = add(priority=1, conditions={"resolution": ["4k"], "type": ["image_generate"]})
    rest = add(priority=9)
    assert chosen(wish(resolution="4k")) == only_4k.id
    assert chosen(wish()) == rest.id
    assert chosen(wish(resolution="4k", image_urls=["https://example.com/a.png"])) == rest.id
    assert obstacles(wish())[0] == "cannot serve resolution"


def test_a_route_that_requires_margin_never_loses_money(add: Add, wish: Wish) -> None:
    dear = add(priority=1, cost=20_000, require_margin=True)
    rest = add(priority=9, cost=20_000)
    assert chosen(wish()) == rest.id
    assert chosen(wish(resolution="4k")) == dear.id  # sold for 32,000
    assert obstacles(wish())[0] == "would lose money"


def test_a_picture_may_be_too_heavy_for_a_route(add: Add, wish: Wish) -> None:
    add()
    search = wish()
    search.heaviest = 10 * 1024 * 1024 + 1
    assert chosen(search) == Exhausted()


def test_nothing_is_bought_when_too_little_time_is_left(add: Add, wish: Wish) -> None:
    add()
    search = wish()
    search.task.deadline_at = clock.now() + timedelta(seconds=2)
    assert chosen(search) == Exhausted()
    assert obstacles(search) == ["too little time is left"]


def test_a_full_provider_is_passed_by(add: Add, wish: Wish) -> None:
    full, rest = add(priority=1, concurrency=1), add(priority=9)
    search = wish()
    Attempt.objects.create(
        id=Attempt.id_of(search.task.id, 1), task=search.task, n=1, route=full, started_at=clock.now()
    )
    assert chosen(wish()) == rest.id
    assert obstacles(wish()) == ["1 attempts are under way", ""]


def test_a_task_waits_for_room_where_there_is_no_other_route(add: Add, wish: Wish) -> None:
    add(concurrency=0)
    found = chosen(wish())
    assert isinstance(found, Wait)
    assert timedelta(0) < found.until - clock.now() <= timedelta(seconds=1)


def test_an_open_breaker_is_passed_by(add: Add, wish: Wish) -> None:
    failing, rest = add(priority=1), add(priority=9)
    trip(failing, 15)
    assert chosen(wish()) == rest.id
    assert obstacles(wish())[0] == "its breaker is open: route_down: no such key"


def test_a_task_waits_for_the_breaker_where_there_is_no_other_route(add: Add, wish: Wish) -> None:
    breaker = trip(add(), 15)
    assert chosen(wish()) == Wait(breaker.open_until)


def test_a_task_does_not_wait_past_its_deadline(add: Add, wish: Wish) -> None:
    trip(add(), 300)
    assert chosen(wish(deadline_seconds=60)) == Exhausted()


def lease(search: Search) -> Search:
    """As the engine would have claimed it."""
    now = clock.now()
    search.task.lease_token = 1
    Task.objects.filter(pk=search.task.id).update(lease_token=1, lease_until=now + timedelta(seconds=60))
    return search


def test_one_of_a_hundred_waiting_tasks_is_the_probe(account: Account, add: Add, wish: Wish) -> None:
    ledger.credit(account, Mode.LIVE, DOLLAR, reason="test")
    trip(add(), -1)
    found = route.open_next([lease(wish()) for _ in range(60)])
    found += route.open_next([lease(wish()) for _ in range(40)])
    [probe] = [each for each in found if isinstance(each, Attempt)]
    assert Breaker.objects.get().probe == probe.id
    assert len([each for each in found if isinstance(each, Wait)]) == 99


def test_a_lost_probe_is_replaced(add: Add, wish: Wish) -> None:
    trip(add(), -1)
    route.open_next([lease(wish())])
    Breaker.objects.update(probe_until=F("opened_at"))
    assert isinstance(route.open_next([lease(wish())])[0], Attempt)


def test_a_probe_of_a_long_task_is_not_waited_for_that_long(add: Add, wish: Wish) -> None:
    trip(add(), -1)
    [probe] = route.open_next([lease(wish(deadline_seconds=3600))])
    assert isinstance(probe, Attempt)
    until = Breaker.objects.get().probe_until
    assert until is not None
    assert until - probe.started_at == timedelta(seconds=300)


def test_a_probe_that_ended_without_a_verdict_is_replaced_at_once(add: Add, wish: Wish) -> None:
    """Its customer took it back, say, or its deadline came."""
    trip(add(), -1)
    search = lease(wish())
    route.open_next([search])
    assert isinstance(chosen(wish()), Wait)
    settle.settle([Ending(search.task, "canceled", "Canceled.")])
    assert isinstance(route.open_next([lease(wish())])[0], Attempt)


def test_of_two_who_saw_a_free_breaker_one_sends_the_probe(add: Add, wish: Wish) -> None:
    trip(add(), -1)
    seen = Traffic.read()
    now, [breaker_row] = seen.now, seen.breakers.values()
    assert [breaker.take_probe(breaker_row, name, now, now) for name in ("a.1", "b.1")] == [True, False]


def test_what_a_newer_release_put_there_stops_nobody(add: Add, wish: Wish) -> None:
    newer, known = add(), add()
    Provider.objects.filter(pk=newer.provider_id).update(adapter="of-the-next-release")
    catalog.changed()
    catalog._forget()
    assert chosen(wish()) == known.id
