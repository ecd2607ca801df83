"""manage.py margin: what routes brought and cost."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from billing import ledger
from eggapi import clock
from generation.models import Attempt, Purchase, Route, Task
from generation.settle import Ending, settle
from generation.storage import Picture
from tests.customer import Customer
from tests.emulators.kie import Kie

pytestmark = pytest.mark.django_db
HEADING = ["route", "tasks", "images", "revenue", "cost", "leak", "margin"]


@pytest.fixture
def routes(sell: Callable[..., Route]) -> tuple[Route, Route]:
    upstream = Kie()
    upstream.origin = "http://127.0.0.1:1"
    return sell(upstream, "kie", "fast"), sell(upstream, "kie", "slow")


def buy(customer: Customer, routes: list[Route], images: int, cost: int) -> Task:
    """A task that every route was tried for at this cost, and the last one delivered."""
    task = Task.objects.get(pk=customer.generate(num_outputs=4).data["id"])
    for n, route in enumerate(routes, 1):
        last = route is routes[-1]
        attempt = Attempt.objects.create(
            id=Attempt.id_of(task.pk, n),
            task=task,
            n=n,
            route=route,
            started_at=clock.now(),
            state="live" if last else "failed",
        )
        Purchase.objects.create(
            client_ref=f"{attempt.pk}.0",
            attempt=attempt,
            index=0,
            first_image=0,
            images_asked=4,
            state="done",
            cost=cost,
            leak=0 if last else cost,
            sent_at=clock.now(),
        )
    pictures = [Picture(n, f"{n}.png", "image/png", 1, 1, 1) for n in range(images)]
    settle([Ending(task, "done", "Nothing came of it.", pictures, fenced=False)])
    return task


def margin(capsys: pytest.CaptureFixture[str], *options: str) -> list[list[str]]:
    call_command("margin", *options)
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def test_it_works(customer: Customer, routes: tuple[Route, Route], capsys: pytest.CaptureFixture[str]) -> None:
    fast, slow = routes
    buy(customer, [fast], 4, 15_000)
    buy(customer, [fast], 3, 15_000)
    buy(customer, [fast, slow], 1, 12_000)
    heading, loser, winner = margin(capsys)
    assert heading == HEADING
    via = ["nanobanana", "via"]
    assert loser == [
        *via, slow.provider.name, "slow", "1", "1", "$0.0100", "$0.0120", "$0.00", "-$0.0020", "loses", "money",
    ]  # fmt: skip
    assert winner == [*via, fast.provider.name, "fast", "2", "7", "$0.0700", "$0.0420", "$0.0120", "$0.0280"]


def test_a_task_that_failed_brings_nothing(
    customer: Customer, routes: tuple[Route, Route], capsys: pytest.CaptureFixture[str]
) -> None:
    buy(customer, [routes[0]], 0, 15_000)
    _, row = margin(capsys)
    assert row[4:] == ["0", "0", "$0.00", "$0.0150", "$0.0150", "-$0.0150", "loses", "money"]


def test_a_refund_is_no_revenue(
    customer: Customer, routes: tuple[Route, Route], capsys: pytest.CaptureFixture[str]
) -> None:
    task = buy(customer, [routes[0]], 4, 15_000)
    ledger.refund(task.pk, 30_000, reason="blank")
    _, row = margin(capsys)
    assert row[4:] == ["1", "4", "$0.0100", "$0.0150", "$0.00", "-$0.0050", "loses", "money"]


def test_it_looks_back_so_many_days(
    customer: Customer, routes: tuple[Route, Route], capsys: pytest.CaptureFixture[str]
) -> None:
    buy(customer, [routes[0]], 4, 15_000)
    Attempt.objects.update(started_at=clock.now() - timedelta(days=10))
    assert margin(capsys, "--days", "9") == [HEADING]
    assert len(margin(capsys, "--days", "11")) == 2
    for days in ("0", "-1", "3661"):
        with pytest.raises(CommandError, match="--days must be from 1 to 3660"):
            margin(capsys, f"--days={days}")


def test_play_money_is_not_counted(routes: tuple[Route, Route], capsys: pytest.CaptureFixture[str]) -> None:
    buy(Customer(), [Route.objects.exclude(pk__in=[route.pk for route in routes])[0]], 4, 0)
    assert margin(capsys) == [HEADING]
