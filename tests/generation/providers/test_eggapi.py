"""Another EggAPI as upstream: what is sent, what its answers mean, whose webhooks count, and our own application."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
from pytest_django.live_server_helper import LiveServer

from eggapi.http import Lost
from generation.models import Attempt, Purchase, Route, Task
from generation.providers.base import (
    Accepted,
    BadCredential,
    Callback,
    Failed,
    Finished,
    Image,
    Job,
    Outcome,
    Pending,
    Reference,
    Rejected,
    Reply,
    Standing,
    Unreadable,
)
from generation.providers.eggapi import EggAPI
from tests.customer import Customer
from tests.emulators.eggapi import SECRET
from tests.emulators.eggapi import EggAPI as Upstream
from tests.generation.conftest import ended
from tests.generation.providers.conversation import Steps, answered, converse

JOB = Job("ref-1", "nanobanana", "an egg")
PICTURE = Reference("/nowhere", "image/png", "https://pictures.example/1.png")


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as running:
        yield running


@pytest.fixture
def adapter(upstream: Upstream) -> EggAPI:
    return EggAPI(upstream.base_url, upstream.key, SECRET)


def submitted(adapter: EggAPI, fault: str) -> Any:
    return converse(adapter, adapter.submit(replace(JOB, prompt=f"an egg fault:{fault}")))


def polled(adapter: EggAPI, fault: str, polls: int = 1) -> Any:
    """What the last of so many polls says."""
    accepted = submitted(adapter, fault)
    return [converse(adapter, adapter.poll(JOB, accepted.upstream_id)) for _ in range(polls)][-1]


# -- submit ----------------------------------------------------------------------------------------


def test_it_works(adapter: EggAPI, upstream: Upstream) -> None:
    accepted = converse(adapter, adapter.submit(JOB))
    assert accepted == Accepted("gen_" + "0" * 24)
    assert converse(adapter, adapter.poll(JOB, accepted.upstream_id)) == Pending()
    image = Image(f"{upstream.origin}/files/{accepted.upstream_id}/0.png")
    assert converse(adapter, adapter.poll(JOB, accepted.upstream_id)) == Finished((image,), cost=10_000)


def test_it_sends_no_more_than_is_asked_for(adapter: EggAPI, upstream: Upstream) -> None:
    converse(adapter, adapter.submit(JOB))
    assert upstream.asked[0].raw == {
        "body": {"model": "nanobanana", "prompt": "an egg", "aspect_ratio": "16:9", "num_outputs": 1},
        "key": "ref-1",
    }


def test_it_sends_all_that_is_asked_for(adapter: EggAPI, upstream: Upstream) -> None:
    job = replace(JOB, model="nanobanana-pro", negative_prompt="hens", aspect_ratio="9:16", resolution="4k")
    job = replace(job, images=4, seed=0, references=(PICTURE,), callback_url="https://we.example/callbacks/1")
    converse(adapter, adapter.submit(job))
    assert upstream.asked[0].raw["body"] == {
        "model": "nanobanana-pro",
        "prompt": "an egg",
        "negative_prompt": "hens",
        "aspect_ratio": "9:16",
        "resolution": "4k",
        "num_outputs": 4,
        "seed": 0,
        "image_urls": [PICTURE.url],
        "webhook_url": "https://we.example/callbacks/1",
    }


@pytest.mark.parametrize(
    ("fault", "wait"), [("e503", None), ("e429", 1.0), ("e429-3600", 3600.0), ("e429-garbage", None)]
)
def test_a_busy_one_took_nothing(adapter: EggAPI, fault: str, wait: float | None) -> None:
    result = submitted(adapter, fault)
    assert (result.outcome, result.retry_after, result.alarm) == (Outcome.RETRYABLE, wait, "")


@pytest.mark.parametrize("fault", ["bad-request", "invalid"])
def test_a_request_it_finds_wrong_is_reported(adapter: EggAPI, fault: str) -> None:
    message = "aspect_ratio: must be one of 16:9, 9:16"
    assert submitted(adapter, fault) == Rejected(Outcome.RETRYABLE, message, alarm=f"400 VALIDATION_ERROR: {message}")


@pytest.mark.parametrize("fault", ["e500", "wrong-json", "odd-json"])
def test_nobody_knows_what_another_answer_means(adapter: EggAPI, fault: str) -> None:
    with pytest.raises(Unreadable):
        submitted(adapter, fault)


@pytest.mark.parametrize("fault", ["drop", "huge-json"])
def test_nobody_knows_without_an_answer(adapter: EggAPI, fault: str) -> None:
    with pytest.raises(Lost):
        submitted(adapter, fault)


def test_a_dead_key_or_an_unknown_model_is_a_route_that_is_down(adapter: EggAPI, upstream: Upstream) -> None:
    unknown = converse(adapter, adapter.submit(replace(JOB, model="nanobanana-retired")))
    adapter.credential = "dead-key-0123456789"
    dead = converse(adapter, adapter.submit(JOB))
    assert [(result.outcome, result.alarm) for result in (unknown, dead)] == [(Outcome.ROUTE_DOWN, "")] * 2
    assert upstream.billed.total() == 0


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (403, b'{"code": "INSUFFICIENT_BALANCE", "message": "The balance does not cover this request."}'),
        (403, b'{"code": "FORBIDDEN", "message": "This account is suspended."}'),
        (
            400,
            b'{"code": "VALIDATION_ERROR", "message": "Key: \'GenerateRequest.Model\' Error:Field validation for'
            b" 'Model' failed on the 'oneof' tag\"}",
        ),
        (404, b'{"code": "NOT_FOUND", "message": "There is nothing here."}'),
    ],
)
def test_what_only_an_operator_can_mend_is_a_route_that_is_down(adapter: EggAPI, status: int, error: bytes) -> None:
    result = answered(adapter.submit(JOB), Reply(status, {}, b'{"data": null, "error": ' + error + b"}"))
    assert (result.outcome, result.alarm) == (Outcome.ROUTE_DOWN, "")


@pytest.mark.parametrize("status", [408, 409, 500, 502, 503, 504])
def test_a_proxy_in_between_may_have_passed_it_on(adapter: EggAPI, status: int) -> None:
    with pytest.raises(Unreadable):
        answered(adapter.submit(JOB), Reply(status, {}, b"<html>Bad gateway</html>"))


# -- poll ------------------------------------------------------------------------------------------


def test_a_failed_task_may_do_elsewhere(adapter: EggAPI) -> None:
    expected = Failed(Outcome.RETRYABLE, "No provider could complete this request.", cost=0)
    assert polled(adapter, "failed") == expected


@pytest.mark.parametrize("fault", ["refused", "refused-later"])
def test_a_moderated_task_is_refused(adapter: EggAPI, fault: str) -> None:
    result = polled(adapter, fault)
    assert (result.outcome, result.message) == (
        Outcome.REFUSED,
        "Content moderation: prompt contains prohibited content",
    )


def test_it_waits_where_it_cannot_tell(adapter: EggAPI) -> None:
    assert polled(adapter, "stuck", polls=3) == Pending()
    assert polled(adapter, "flapping") == Pending()
    assert polled(adapter, "odd-state") == Pending(alarm="unknown state dreaming")
    assert len(polled(adapter, "odd-state", polls=4).images) == 1


def test_a_busy_one_is_polled_when_it_says(adapter: EggAPI) -> None:
    busy = Reply(429, {"Retry-After": "7"}, b'{"data": null, "error": {"code": "RATE_LIMITED", "message": "no"}}')
    assert answered(adapter.poll(JOB, "gen_1"), busy) == Pending(wait=7.0)


def test_a_task_that_is_gone_brings_nothing(adapter: EggAPI) -> None:
    assert converse(adapter, adapter.poll(JOB, "gen_x/../?")).outcome == Outcome.NO_IMAGE


def test_a_task_without_pictures_is_empty(adapter: EggAPI) -> None:
    assert polled(adapter, "empty") == Finished((), cost=0)


@pytest.mark.parametrize(("cost", "micros"), [('"$0.0320"', 32_000), ('"$0.0000"', 0), ('"free"', None), ("1", None)])
def test_older_answers_are_read_too(adapter: EggAPI, cost: str, micros: int | None) -> None:
    task = f'{{"status": "completed", "output": {{"url": "https://cdn.example/1.png"}}, "cost": {cost}}}'
    reply = Reply(200, {}, f'{{"data": {task}, "error": null}}'.encode())
    expected = Finished((Image("https://cdn.example/1.png"),), cost=micros)
    assert answered(adapter.poll(JOB, "gen_1"), reply) == expected


# -- standing and webhooks -------------------------------------------------------------------------


def test_it_tells_models_and_balance(adapter: EggAPI) -> None:
    expected = Standing(frozenset({"nanobanana", "nanobanana-pro"}), Decimal("99.99"))
    assert converse(adapter, adapter.standing()) == expected


def test_the_public_one_tells_neither(adapter: EggAPI, upstream: Upstream) -> None:
    upstream.is_old = True
    assert converse(adapter, adapter.standing()) == Standing()


def test_it_tells_a_dead_key(adapter: EggAPI) -> None:
    adapter.credential = "dead-key-0123456789"
    with pytest.raises(BadCredential):
        converse(adapter, adapter.standing())


def heard(adapter: EggAPI, headers: dict[str, str], body: bytes) -> str:
    result: str = answered_at_once(adapter.verified(Callback(headers, body, time.time())))
    return result


def answered_at_once(steps: Steps) -> Any:
    try:
        next(steps)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it asks for something")


def test_a_signed_webhook_names_its_task(adapter: EggAPI, upstream: Upstream) -> None:
    converse(adapter, adapter.submit(JOB))
    for state in ("done", "failed"):
        headers, body = upstream.callback(upstream.asked[0], state)
        assert heard(adapter, headers, body) == upstream.asked[0].id


def test_any_other_webhook_is_not_believed(adapter: EggAPI, upstream: Upstream) -> None:
    converse(adapter, adapter.submit(JOB))
    headers, body = upstream.callback(upstream.asked[0])
    assert heard(adapter, headers, body + b" ") == ""
    assert heard(adapter, headers | {"X-EggAPI-Signature": "sha256=gärbage"}, body) == ""
    assert heard(adapter, headers | {"X-EggAPI-Timestamp": "soon"}, body) == ""
    assert heard(adapter, {}, body) == ""
    assert heard(adapter, *upstream.callback(upstream.asked[0], age=400)) == ""
    assert heard(EggAPI("", "", "whsec_another"), headers, body) == ""


def test_without_a_secret_a_webhook_is_a_hint(adapter: EggAPI, upstream: Upstream) -> None:
    converse(adapter, adapter.submit(JOB))
    _, body = upstream.callback(upstream.asked[0])
    assert heard(EggAPI(""), {}, body) == upstream.asked[0].id


# -- our own application as the upstream -----------------------------------------------------------


@dataclass
class Ourselves:
    base_url: str
    key: str


@pytest.fixture
def bob(on_sale: None) -> Customer:
    """Whose test key we buy with: the sandbox makes the pictures."""
    return Customer("bob@example.com", mode="test")


@pytest.fixture
def generate(
    live_server: LiveServer, sell: Callable[..., Route], customer: Customer, bob: Customer, engine: object
) -> Callable[..., Task]:
    sell(Ourselves(f"{live_server.url}/v1", bob.secret), "eggapi", "nanobanana")

    def post(**fields: Any) -> Task:
        return ended(Task.objects.get(pk=customer.generate(**fields).data["id"]), 20)

    return post


@pytest.mark.django_db(transaction=True)
def test_our_own_application_serves_as_one(generate: Callable[..., Task], bob: Customer) -> None:
    task = generate(num_outputs=2, seed=7)
    assert (task.status, task.cost, task.outputs.count()) == ("completed", 20_000, 2)
    theirs = Task.objects.get(account=bob.account)
    assert (theirs.status, theirs.cost, theirs.seed, theirs.num_outputs) == ("completed", 20_000, 7, 2)
    purchase = Purchase.objects.get(attempt__task=task)
    assert (purchase.upstream_id, purchase.cost) == (theirs.pk, 20_000)
    assert theirs.idempotency_key == purchase.client_ref


@pytest.mark.django_db(transaction=True)
def test_our_own_moderation_is_final(generate: Callable[..., Task]) -> None:
    task = generate(prompt="an egg sandbox:moderation")
    assert (task.status, task.cost, task.ended) == ("failed", 0, "refused")


@pytest.mark.django_db(transaction=True)
def test_our_own_lack_of_money_is_a_route_that_is_down(generate: Callable[..., Task], bob: Customer) -> None:
    bob.leave(0)
    task = generate()
    assert (task.status, task.cost) == ("failed", 0)
    attempt = Attempt.objects.get(task=task)
    assert (attempt.outcome, attempt.message) == (
        "route_down",
        "403 INSUFFICIENT_BALANCE The balance does not cover this request.",
    )


@pytest.mark.django_db
def test_our_own_standing_is_understood(live_server: LiveServer, bob: Customer) -> None:
    adapter = EggAPI(f"{live_server.url}/v1", bob.secret)
    standing = converse(adapter, adapter.standing())
    assert standing.models == {"nanobanana", "nanobanana-pro"}
    assert standing.balance == Decimal(bob.wallet.available) / 1_000_000
