"""A catalogue on sale, an account with money, a vendor on loopback and an engine of the test's own."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection

from accounts import opening
from accounts.caller import Caller
from accounts.models import Account, Mode
from billing import ledger
from eggapi.loop import Loop
from generation import catalog
from generation.engine import TaskWork
from generation.models import TERMINAL, ImageModel, Provider, Route, Task
from generation.providers import ADAPTERS
from generation.submit import submit
from tests.emulators.vendor import Speaks, SpeaksAndFinds, SpeaksOneByOne, Vendor

DOLLAR = 1_000_000


@pytest.fixture
def on_sale(db: None) -> None:
    catalog.seed()
    catalog.changed()
    catalog._forget()


@pytest.fixture
def account(on_sale: None) -> Account:
    account = opening.account_of("alice@example.com")
    ledger.credit(account, Mode.LIVE, DOLLAR, reason="test")
    return account


@pytest.fixture
def alice(account: Account) -> Caller:
    return Caller(account.pk, Mode.LIVE)


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with Vendor() as running:
        yield running


@pytest.fixture
def add_route(on_sale: None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Route]:
    """Adds a live route to a vendor; those added first go first."""
    for adapter in (Speaks, SpeaksAndFinds, SpeaksOneByOne):
        monkeypatch.setitem(ADAPTERS, adapter.name, adapter)

    def add(url: str, adapter: type[Speaks] = Speaks, model: str = "nanobanana", cost: int = 5000) -> Route:
        number = Provider.objects.count()
        provider = Provider.objects.create(name=f"vendor-{number}", adapter=adapter.name, base_url=url)
        route = Route.objects.create(
            model=ImageModel.objects.get(name=model),
            provider=provider,
            upstream_model="fast",
            label=f"Route {number}",
            priority=number,
            cost=cost,
        )
        catalog.changed()
        catalog._forget()
        return route

    return add


@pytest.fixture
def engine(transactional_db: None) -> Iterator[Loop[Any]]:
    loop = Loop(TaskWork())
    loop.start()
    yield loop
    loop.stop(5)


@pytest.fixture
def run(engine: Loop[Any]) -> Callable[..., Task]:
    """Submits a prompt and waits until its task has ended."""

    def submit_and_wait(caller: Caller, prompt: str, seconds: float = 15, **fields: Any) -> Task:
        task, _ = submit(caller, {"model": "nanobanana", "prompt": prompt, **fields})
        engine.wake()
        return ended(task, seconds)

    return submit_and_wait


def ended(task: Task, seconds: float = 15) -> Task:
    """The task once it is terminal. The engine wakes itself; nobody rings here."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        task.refresh_from_db()
        if task.status in TERMINAL:
            return task
        time.sleep(0.02)
    raise AssertionError(f"{task} is still {task.status} after {seconds} s on {connection.vendor}")
