"""manage.py routes explain: which routes a request would take, and why not the others."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from eggapi import clock
from generation.models import Breaker, Route, Task
from tests.emulators.kie import Kie

pytestmark = pytest.mark.django_db


@pytest.fixture
def routes(sell: Callable[..., Route]) -> list[Route]:
    upstream = Kie()
    upstream.origin = "http://127.0.0.1:1"
    return [
        sell(upstream, "kie", "nano-banana-pro", model="nanobanana-pro", require_margin=True, cost_4k=40_000),
        sell(upstream, "kie", "nano-banana-2", model="nanobanana-pro"),
    ]


def explain(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    call_command("routes", "explain", *arguments)
    return capsys.readouterr().out.splitlines()


def test_it_works(routes: list[Route], capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (route.provider.name for route in routes)
    assert explain(capsys, "nanobanana-pro") == [
        f"{first} nano-banana-pro, priority 2, $0.0050 an image: is taken",
        f"{second} nano-banana-2, priority 3, $0.0050 an image: is the next if that brings no image",
    ]
    assert not Task.objects.exists()


def test_it_says_what_is_in_the_way(routes: list[Route], capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (route.provider.name for route in routes)
    now = clock.now()
    Breaker.objects.create(
        provider=routes[1].provider,
        upstream_model="nano-banana-2",
        reason="route_down: 402 no credits",
        opened_at=now,
        open_until=now + timedelta(seconds=15),
        seconds=15,
    )
    loses, tripped = explain(capsys, "nanobanana-pro", "--resolution", "4k")
    assert loses == f"{first} nano-banana-pro, priority 2, $0.0400 an image: is not taken: would lose money"
    assert tripped.startswith(
        f"{second} nano-banana-2, priority 3, $0.0050 an image:"
        " is not taken: its breaker is open: route_down: 402 no credits, until 20"
    )


def test_it_says_that_there_is_no_route(on_sale: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(capsys, "nanobanana-pro") == ["nanobanana-pro has no live route."]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["banana"], "model: must be one of nanobanana, nanobanana-pro"),
        (["nanobanana", "--resolution", "4k"], "resolution: must be one of 1k for nanobanana"),
        (["nanobanana", "--references", "10"], "image_urls: must hold at most 9 URLs"),
    ],
)
def test_it_rejects_what_nobody_could_ask_for(on_sale: None, arguments: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        call_command("routes", "explain", *arguments)
