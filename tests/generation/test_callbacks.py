"""What vendors' callbacks do: they make a task due, find what was lost, and are never believed."""

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests
from aiohttp import web
from django.db.models import F
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from accounts.caller import Caller
from eggapi import clock, crypto
from eggapi.loop import Loop
from generation import catalog
from generation.models import Attempt, Provider, Purchase, Route, Task
from generation.providers import ADAPTERS
from generation.providers.fal import Fal as FalAdapter
from generation.providers.kie import Kie as KieAdapter
from generation.submit import submit
from tests.emulators.apixo import Apixo
from tests.emulators.fal import Fal
from tests.emulators.kie import Kie
from tests.emulators.upstream import Ask
from tests.emulators.vendors import VENDORS, Vendor
from tests.generation.conftest import ended

pytestmark = pytest.mark.django_db(transaction=True)

PUBLIC = "https://egg.example"
EGG = {"model": "nanobanana", "prompt": "an egg"}
CALLERS = [vendor for vendor in VENDORS if ADAPTERS[vendor.adapter].calls_back]
RECEIVED = {"data": {"received": True}, "error": None}

Sell = Callable[..., Route]


@pytest.fixture(autouse=True)
def public_url(settings: Settings) -> None:
    settings.EGGAPI_PUBLIC_URL = PUBLIC


@pytest.fixture
def kie(sell: Sell, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kie]:
    """Polled ten minutes after a submit, unless it calls us."""
    with Kie() as running:
        route = sell(running, "kie", "google/nano-banana")
        Provider.objects.filter(pk=route.provider_id).update(
            callback_secret_encrypted=crypto.encrypt(running.webhook_key)
        )
        catalog.changed()
        catalog._forget()
        monkeypatch.setattr(KieAdapter, "first_poll", 600)
        yield running


@pytest.fixture
def buy(alice: Caller, engine: Loop[Any]) -> Callable[..., Purchase]:
    """Submits, and waits until the engine has left the purchase in this state."""

    def until(state: str = "accepted", prompt: str = "an egg") -> Purchase:
        task, _ = submit(alice, EGG | {"prompt": prompt})
        engine.wake()
        for _ in range(500):
            found = Purchase.objects.filter(attempt__task=task, attempt__task__lease_until=None, state=state)
            if purchase := found.select_related("attempt__task").first():
                return purchase
            time.sleep(0.02)
        raise AssertionError(f"{task} has no purchase that is {state}")

    return until


def there(server: LiveServer, ask: Ask) -> str:
    """The address a vendor was given, at the server of this test."""
    (address,) = re.findall(rf'"{PUBLIC}(/callbacks/[^"]+)"', json.dumps(ask.raw))
    return f"{server.url}{address}"


def tell(server: LiveServer, vendor: Any, ask: Ask, about: Ask | None = None, forged: str = "") -> requests.Response:
    """A vendor calls where `ask` said it shall."""
    if isinstance(vendor, Apixo):  # signs nothing
        headers, body = {}, json.dumps({"code": 200, "data": {"taskId": ask.id}})
    else:
        headers, body = vendor.callback(about or ask, **({"forged": forged} if forged else {}))
    return requests.post(there(server, ask), body, headers=headers, timeout=10)


def anything_due() -> bool:
    return Task.objects.due(clock.now() + timedelta(seconds=60)).exists()


def refusal(answer: requests.Response) -> tuple[int, str]:
    assert answer.json()["data"] is None
    return answer.status_code, answer.json()["error"]["code"]


# -- a job that was accepted -----------------------------------------------------------------------


def test_it_works(kie: Kie, buy: Callable[..., Purchase], engine: Loop[Any], live_server: LiveServer) -> None:
    purchase = buy()
    assert not anything_due()
    answer = tell(live_server, kie, kie.asked[0])
    assert (answer.status_code, answer.json()) == (200, RECEIVED)
    engine.wake()
    assert ended(purchase.attempt.task).status == "completed"
    assert Purchase.objects.get().hint == ""


@pytest.mark.parametrize("vendor", CALLERS, ids=str)
def test_every_vendor_that_can_calls_us(
    vendor: Vendor,
    sell: Sell,
    buy: Callable[..., Purchase],
    engine: Loop[Any],
    live_server: LiveServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with vendor.emulator() as running:
        sell(running, vendor.adapter, vendor.fast)
        monkeypatch.setattr(ADAPTERS[vendor.adapter], "first_poll", 600)
        if isinstance(running, Fal):
            monkeypatch.setattr(FalAdapter, "keys_url", running.keys_url)
        purchase = buy()
        assert not anything_due()
        answer = tell(live_server, running, running.asked[0])
        assert (answer.status_code, answer.json()) == (200, RECEIVED)
        engine.wake()
        assert ended(purchase.attempt.task).status == "completed"


@pytest.mark.parametrize("forgery", ["key", "job", "stale", "unsigned"])
def test_a_forged_one_changes_nothing(
    forgery: str, kie: Kie, buy: Callable[..., Purchase], live_server: LiveServer
) -> None:
    purchase = buy()
    before = purchase.attempt.task.next_run_at
    answer = tell(live_server, kie, kie.asked[0], forged=forgery)
    assert refusal(answer) == (403, "FORBIDDEN")
    assert Task.objects.get().next_run_at == before


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"data": null}', b'{"data": {"taskId": "a\\u0000b"}}', b"\xff"])
def test_nonsense_is_not_genuine(body: bytes, kie: Kie, buy: Callable[..., Purchase], live_server: LiveServer) -> None:
    Provider.objects.update(callback_secret_encrypted="")
    catalog.changed()
    catalog._forget()
    buy("unknown", "an egg fault:drop")
    answer = requests.post(there(live_server, kie.asked[0]), body, timeout=10)
    assert refusal(answer) == (403, "FORBIDDEN")
    assert Purchase.objects.get().hint == ""


def test_another_job_is_refused(kie: Kie, buy: Callable[..., Purchase], live_server: LiveServer) -> None:
    for _ in range(2):
        buy()
    mine, other = kie.asked
    assert refusal(tell(live_server, kie, mine, about=other)) == (403, "FORBIDDEN")
    assert not anything_due()


def test_a_second_one_changes_nothing(
    kie: Kie, buy: Callable[..., Purchase], engine: Loop[Any], live_server: LiveServer
) -> None:
    purchase = buy()
    ask = kie.asked[0]
    assert [tell(live_server, kie, ask).status_code for _ in range(3)] == [200, 200, 200]
    engine.wake()
    task = ended(purchase.attempt.task)
    assert tell(live_server, kie, ask).json() == RECEIVED
    again = Task.objects.get()
    assert (again.status, again.next_run_at, again.completed_at) == ("completed", None, task.completed_at)
    assert (len(kie.asked), kie.billed.total(), Purchase.objects.get().hint) == (1, 1, "")


def test_an_address_that_was_guessed_leads_nowhere(
    kie: Kie, buy: Callable[..., Purchase], live_server: LiveServer
) -> None:
    purchase = buy()
    unknown = f"egg_{'x' * 28}"
    for token in (
        purchase.pk,
        f"{purchase.pk}.",
        f"{purchase.pk}.{'A' * 32}",
        f"{purchase.pk}.{crypto.signature('file', purchase.pk)}",
        f"{purchase.pk}.{crypto.signature('callback', unknown)}",
        f"{unknown}.{crypto.signature('callback', unknown)}",
        "%00.é",
    ):
        headers, body = kie.callback(kie.asked[0])
        answer = requests.post(f"{live_server.url}/callbacks/{token}", body, headers=headers, timeout=10)
        assert refusal(answer) == (404, "NOT_FOUND")
    assert not anything_due()


def test_it_takes_a_post_of_a_mebibyte_and_nothing_else(
    kie: Kie, buy: Callable[..., Purchase], live_server: LiveServer
) -> None:
    buy()
    url = there(live_server, kie.asked[0])
    large = requests.post(url, b" " * (1024 * 1024 + 1), timeout=10)
    assert refusal(large) == (413, "PAYLOAD_TOO_LARGE")
    for method in ("GET", "PUT", "DELETE", "OPTIONS"):
        answer = requests.request(method, url, timeout=10)
        assert refusal(answer) == (405, "METHOD_NOT_ALLOWED")
        assert answer.headers["Allow"] == "POST"


@pytest.mark.parametrize("public_address", ["", "http://egg.example"])
def test_nobody_is_asked_to_call_where_he_cannot(
    public_address: str, kie: Kie, buy: Callable[..., Purchase], settings: Settings
) -> None:
    settings.EGGAPI_PUBLIC_URL = public_address
    buy()
    assert "callBackUrl" not in kie.asked[0].raw


# -- a job nobody heard the answer of --------------------------------------------------------------


@pytest.fixture
def other(kie: Kie, sell: Sell) -> Iterator[Kie]:
    """Another route, which would do the job as well."""
    with Kie() as running:
        sell(running, "kie", "google/nano-banana")
        running.overrides = {"fault": "none"}
        yield running


@pytest.mark.parametrize("crashed", [False, True])
def test_what_was_paid_is_found(
    crashed: bool, kie: Kie, other: Kie, buy: Callable[..., Purchase], engine: Loop[Any], live_server: LiveServer
) -> None:
    purchase = buy("unknown", "an egg fault:drop")
    if crashed:
        Purchase.objects.update(state="submitting", give_up_at=None, outcome="")
    assert tell(live_server, kie, kie.asked[0]).status_code == 200
    engine.wake()
    task = ended(purchase.attempt.task)
    purchase.refresh_from_db()
    assert (task.status, task.cost, purchase.state, purchase.leak) == ("completed", 10_000, "done", 0)
    assert (purchase.hint, purchase.upstream_id) == (kie.asked[0].id, kie.asked[0].id)
    assert (len(kie.asked), kie.billed.total(), other.asked) == (1, 1, [])


def test_it_is_not_waited_for_for_ever(
    kie: Kie, other: Kie, buy: Callable[..., Purchase], engine: Loop[Any], live_server: LiveServer
) -> None:
    purchase = buy("unknown", "an egg fault:drop")
    assert purchase.give_up_at is not None
    wait = (purchase.give_up_at - purchase.sent_at).total_seconds()
    assert 55 < wait < 90
    Purchase.objects.update(give_up_at=clock.now())
    Task.objects.update(next_run_at=clock.now())
    for _ in range(500):
        if other.asked:
            break
        engine.wake()
        time.sleep(0.02)
    assert (len(kie.asked), len(other.asked)) == (1, 1)
    assert Attempt.objects.get(n=1).outcome == "unknown"
    # Too late: it is kept for operators, and the task goes on where it is.
    assert tell(live_server, kie, kie.asked[0]).status_code == 200
    purchase.refresh_from_db()
    assert (purchase.state, purchase.hint) == ("unknown", kie.asked[0].id)
    assert tell(live_server, other, other.asked[0]).status_code == 200
    engine.wake()
    assert ended(purchase.attempt.task).status == "completed"
    assert (kie.billed.total(), other.billed.total()) == (1, 1)


def test_a_vendor_that_cannot_call_is_left_at_once(
    kie: Kie, other: Kie, buy: Callable[..., Purchase], settings: Settings
) -> None:
    settings.EGGAPI_PUBLIC_URL = ""
    buy("accepted", "an egg fault:drop")
    assert (len(kie.asked), len(other.asked)) == (1, 1)


def test_it_may_come_before_the_answer_to_the_submit(
    kie: Kie,
    buy: Callable[..., Purchase],
    engine: Loop[Any],
    live_server: LiveServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = []
    answer = Kie.answer

    def call_first(self: Kie, ask: Ask) -> web.StreamResponse:
        answers.append(tell(live_server, self, ask).status_code)
        return answer(self, ask)

    monkeypatch.setattr(Kie, "answer", call_first)
    purchase = buy()
    assert (answers, purchase.hint) == ([200], kie.asked[0].id)
    Task.objects.update(next_run_at=F("created_at"))
    engine.wake()
    assert ended(purchase.attempt.task).status == "completed"
    assert kie.billed.total() == 1
