"""A catalogue on sale, an account with money, a vendor on loopback and an engine of the test's own."""

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from pytest_django import Settings

from accounts import opening
from accounts.caller import Caller
from accounts.models import Account, Mode, User
from billing import ledger
from billing.models import Hold, LedgerEntry, Wallet
from eggapi import crypto
from eggapi.loop import Loop
from generation import catalog
from generation.engine import TaskWork
from generation.models import TERMINAL, ImageModel, Provider, Route, Task
from generation.providers import ADAPTERS
from generation.submit import submit
from tests.customer import Customer
from tests.emulators.upstream import Upstream, picture
from tests.emulators.vendor import Speaks, SpeaksAndFinds, SpeaksOneByOne, Vendor
from webhooks.models import Event

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
def sell(on_sale: None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Route]:
    """Adds a live route to an emulator, which is polled often; those added first go first."""

    def add(upstream: Upstream, adapter: str, upstream_model: str, model: str = "nanobanana", **fields: Any) -> Route:
        for wait in ("first_poll", "poll_every", "poll_slowest"):
            monkeypatch.setattr(ADAPTERS[adapter], wait, 0.05)
        number = Provider.objects.count()
        provider = Provider.objects.create(
            name=f"{adapter}-{number}",
            adapter=adapter,
            base_url=upstream.base_url,
            credential_encrypted=crypto.encrypt(upstream.key),
        )
        route = Route.objects.create(
            model=ImageModel.objects.get(name=model),
            provider=provider,
            upstream_model=upstream_model,
            label=f"Route {number}",
            priority=number,
            cost=5000,
            **fields,
        )
        catalog.changed()
        catalog._forget()
        return route

    return add


@pytest.fixture
def customer(on_sale: None) -> Customer:
    """Alice with a live key and a dollar."""
    customer = Customer(mode="live")
    customer.leave(DOLLAR)
    return customer


@pytest.fixture
def boss(db: None) -> User:
    boss: User = User.objects.create_superuser(email="boss@example.com", password="a long password")
    return boss


@pytest.fixture
def office(boss: User, client: Client, settings: Settings) -> Client:
    """The boss's browser, at an installation that asks for no second factor."""
    settings.EGGAPI_EMBEDDED = True
    client.force_login(boss)
    return client


@pytest.fixture
def pictures(settings: Settings) -> Iterator[Callable[[int], list[str]]]:
    """Addresses of that many pictures of the customer's own, each different."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = picture(self.path.strip("/"), "1k")
            self.send_response(200)
            self.send_header("Content-Type", "image/png")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Not to the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        pair = f"127.0.0.1:{server.server_port}"
        settings.EGGAPI_PRIVATE_HOSTS_ALLOWED |= {pair}
        yield lambda count: [f"http://{pair}/{index + 1}:1" for index in range(count)]
        server.shutdown()


@pytest.fixture
def engine(transactional_db: None) -> Iterator[Loop[Any]]:
    loop = Loop(TaskWork())
    loop.start()
    yield loop
    loop.stop(5)


@pytest.fixture
def run(engine: Loop[Any]) -> Callable[..., Task]:
    """Submits a prompt and waits until its task has ended."""

    def submit_and_wait(caller: Caller, prompt: str, seconds: float = 40, **fields: Any) -> Task:
        task, _ = submit(caller, {"model": "nanobanana", "prompt": prompt, **fields})
        engine.wake()
        return ended(task, seconds)

    return submit_and_wait


def ended(task: Task, seconds: float = 40) -> Task:
    """The task once it is terminal. The engine wakes itself; nobody rings here."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        task.refresh_from_db()
        if task.status in TERMINAL:
            return task
        time.sleep(0.02)
    raise AssertionError(f"{task} is still {task.status} after {seconds} s on {connection.vendor}")


def assert_free(caller: Caller, *tasks: Task) -> None:
    """All of the caller's tasks have failed, cost nothing and hold nothing."""
    wallet = Wallet.objects.get(pk=Wallet.id_of(caller.account_id, caller.mode))
    assert (wallet.posted, wallet.held) == (DOLLAR, 0)
    for task in tasks:
        task.refresh_from_db()
        assert (task.status, task.cost, task.outputs.count()) == ("failed", 0, 0)
        assert Hold.objects.get(pk=task.pk).state == "released"
        assert not LedgerEntry.objects.filter(task_id=task.pk).exists()
        assert Event.objects.get(task_id=task.pk).type == "task.failed"
