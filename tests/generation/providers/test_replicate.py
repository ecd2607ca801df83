"""What is particular to Replicate, and that its emulator is what its own client and its signature's library expect."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer
from replicate.client import Client
from replicate.exceptions import ModelError, ReplicateError
from replicate.webhook import Webhooks
from standardwebhooks import Webhook

from accounts.caller import Caller
from eggapi.http import Lost
from eggapi.loop import Loop
from generation.models import Purchase, Route
from generation.providers.base import (
    Accepted,
    BadCredential,
    Callback,
    Failed,
    Finished,
    Job,
    Outcome,
    Pending,
    Polled,
    Reference,
    Rejected,
    Reply,
    Standing,
    Submitted,
    Unreadable,
)
from generation.providers.replicate import Replicate as Adapter
from generation.submit import submit as begin
from tests.emulators.replicate import Replicate
from tests.generation.conftest import ended
from tests.generation.providers.conversation import answered, converse, says

FAST, PRO = "google/nano-banana", "google/nano-banana-pro"
FORGERIES = ["key", "body", "id", "stale", "version", "unsigned"]


@pytest.fixture
def vendor() -> Iterator[Replicate]:
    with Replicate() as running:
        yield running


@pytest.fixture
def client_of(vendor: Replicate) -> Iterator[Callable[[str], Client]]:
    """The vendor's own client, with a key."""
    with httpx.HTTPTransport() as transport:
        yield lambda key: Client(api_token=key, base_url=vendor.origin, transport=transport)


@pytest.fixture
def client(vendor: Replicate, client_of: Callable[[str], Client]) -> Client:
    return client_of(vendor.key)


@pytest.fixture
def adapter(vendor: Replicate) -> Adapter:
    return Adapter(vendor.base_url, vendor.key)


def job(prompt: str = "an egg", **fields: Any) -> Job:
    return Job(client_ref="p1", prompt=prompt, **{"model": FAST, **fields})


def submit(adapter: Adapter, prompt: str = "an egg", **fields: Any) -> Submitted:
    result: Submitted = converse(adapter, adapter.submit(job(prompt, **fields)))
    return result


def polls(adapter: Adapter, prompt: str, most: int = 4) -> list[Polled]:
    """Buys, and asks until it is over, at most that often."""
    taken = submit(adapter, prompt)
    assert isinstance(taken, Accepted)
    told: list[Polled] = []
    while len(told) < most and not (told and isinstance(told[-1], Finished | Failed)):
        told.append(converse(adapter, adapter.poll(job(), taken.upstream_id)))
    return told


class TestRequest:
    def test_it_asks_a_model_for_one_picture(self, adapter: Adapter) -> None:
        call = next(adapter.submit(job(output_format="jpeg", negative_prompt="chickens")))
        assert (call.method, call.path, dict(call.headers)) == ("POST", "/models/google/nano-banana/predictions", {})
        wanted = {"prompt": "an egg\n\nAvoid: chickens", "aspect_ratio": "16:9", "output_format": "jpg"}
        assert call.json == {"input": wanted}

    def test_it_never_lets_another_model_step_in(self, adapter: Adapter) -> None:
        pictures = (Reference("/tmp/1", "image/png", "https://example.com/1.png"),)
        call = next(adapter.submit(job(model=PRO, resolution="4k", references=pictures)))
        assert call.json["input"] == {
            "prompt": "an egg",
            "aspect_ratio": "16:9",
            "output_format": "png",
            "image_input": ["https://example.com/1.png"],
            "resolution": "4K",
            "allow_fallback_model": False,
        }

    @pytest.mark.parametrize("version", [f"{PRO}:99256cc418d9", "99256cc418d9"])
    def test_a_version_goes_to_the_predictions(self, adapter: Adapter, vendor: Replicate, version: str) -> None:
        call = next(adapter.submit(job(model=version)))
        assert (call.path, call.json["version"]) == ("/predictions", version)
        assert isinstance(submit(adapter, model=version), Accepted)
        assert vendor.asked[0].model == PRO

    def test_it_asks_to_be_called_at_the_end_only(self, adapter: Adapter) -> None:
        call = next(adapter.submit(job(callback_url="https://eggapi.example/callbacks/p1")))
        assert call.json["webhook"] == "https://eggapi.example/callbacks/p1"
        assert call.json["webhook_events_filter"] == ["completed"]

    def test_models_differ_in_sizes_and_references(self, adapter: Adapter) -> None:
        names = (FAST, f"{FAST}:abc", PRO, "google/nano-banana-2", "99256cc418d9")
        can = [adapter.capabilities(name) for name in names]
        assert [len(one.resolutions) for one in can] == [1, 1, 3, 3, 1]
        assert [one.max_references for one in can] == [10, 10, 14, 14, 10]


class TestAnswers:
    @pytest.mark.parametrize(
        ("fault", "outcome", "wait"),
        [
            ("e429-2", "retryable", 2.0),
            ("e429-3600", "retryable", 3600.0),
            ("e429-garbage", "retryable", None),
            ("bad-request", "retryable", None),
            ("invalid", "retryable", None),
        ],
    )
    def test_it_is_turned_away(
        self, adapter: Adapter, vendor: Replicate, fault: str, outcome: str, wait: float
    ) -> None:
        result = submit(adapter, f"an egg fault:{fault}")
        assert isinstance(result, Rejected)
        assert (result.outcome, result.retry_after) == (outcome, wait)
        assert bool(result.alarm) is (fault in {"bad-request", "invalid"})
        assert not vendor.billed

    @pytest.mark.parametrize("fault", ["e503", "e500", "drop", "wrong-json", "odd-json", "huge-json"])
    def test_nobody_can_say_whether_it_was_taken(self, adapter: Adapter, fault: str) -> None:
        with pytest.raises((Lost, Unreadable)):
            submit(adapter, f"an egg fault:{fault}")

    def test_a_route_is_down(self, adapter: Adapter, vendor: Replicate) -> None:
        for model in ("google/nano-banana-retired", f"{PRO}:retired"):
            assert getattr(submit(adapter, model=model), "outcome", None) == Outcome.ROUTE_DOWN
        vendor.has_credit = False
        assert getattr(submit(adapter), "outcome", None) == Outcome.ROUTE_DOWN
        assert getattr(submit(Adapter(vendor.base_url, "dead")), "outcome", None) == Outcome.ROUTE_DOWN

    def test_a_header_says_how_long_to_wait(self, adapter: Adapter) -> None:
        body = b'{"detail": "Request was throttled. Your rate limit resets in ~30s."}'
        assert answered(adapter.submit(job()), Reply(429, {"Retry-After": "7"}, body)).retry_after == 7.0
        assert answered(adapter.submit(job()), Reply(429, {}, body)).retry_after == 30.0
        older = b'{"detail": "Request was throttled. Expected available in 1 second."}'
        assert answered(adapter.submit(job()), Reply(429, {}, older)).retry_after == 1.0

    def test_a_refusal_may_come_at_once(self, adapter: Adapter) -> None:
        body = b'{"detail": "The input or output was flagged as sensitive. (E005)"}'
        assert answered(adapter.submit(job()), Reply(422, {}, body)).outcome == Outcome.REFUSED

    @pytest.mark.parametrize(
        ("fault", "outcomes"),
        [
            ("refused", ["refused"]),
            ("refused-later", ["refused"]),
            ("failed", ["retryable"]),
            ("flapping", [None, None, 1]),
            ("odd-state", ["unknown state queued"] * 3 + [1]),
            ("stuck", [None] * 4),
            ("empty", [0]),
            ("private-url", [1]),
        ],
    )
    def test_it_follows_a_prediction_to_its_end(self, adapter: Adapter, fault: str, outcomes: list[Any]) -> None:
        assert [short(told) for told in polls(adapter, f"an egg fault:{fault}")] == outcomes

    def test_its_output_is_one_address_or_a_list(self, adapter: Adapter) -> None:
        [*_, told] = polls(adapter, "an egg")
        assert short(told) == 1
        body = b'{"status": "succeeded", "output": ["https://example.com/1", "https://example.com/2"]}'
        assert short(answered(adapter.poll(job(), "p1"), Reply(200, {}, body))) == 2

    @pytest.mark.parametrize("state", ["canceled", "aborted"])
    def test_somebody_stopped_it(self, adapter: Adapter, state: str) -> None:
        told = answered(adapter.poll(job(), "p1"), says(200, {"status": state, "output": None}))
        assert short(told) == "retryable"

    def test_a_prediction_nobody_knows_has_no_picture(self, adapter: Adapter) -> None:
        assert short(converse(adapter, adapter.poll(job(), "gone/../away"))) == "no_image"

    def test_it_can_be_canceled(self, adapter: Adapter, vendor: Replicate) -> None:
        taken = submit(adapter, "an egg fault:stuck")
        assert isinstance(taken, Accepted)
        assert converse(adapter, adapter.cancel(job(), taken.upstream_id)) is None
        assert short(converse(adapter, adapter.poll(job(), taken.upstream_id))) == "retryable"

    def test_it_says_whether_the_credential_is_good(self, adapter: Adapter, vendor: Replicate) -> None:
        assert converse(adapter, adapter.standing()) == Standing()
        dead = Adapter(vendor.base_url, "dead")
        with pytest.raises(BadCredential):
            converse(dead, dead.standing())


def short(told: Polled) -> Any:
    """The number of pictures, how it failed, or what is alarming about its state."""
    match told:
        case Finished(images=images):
            return len(images)
        case Failed(outcome=outcome):
            return outcome
        case Pending(alarm=alarm):
            return alarm or None


class TestWebhooks:
    @pytest.fixture
    def heard(self, adapter: Adapter, vendor: Replicate) -> Callable[..., Callback]:
        """The webhook of a job, as it reaches us."""
        submit(adapter, callback_url="https://eggapi.example/callbacks/p1")

        def call(forged: str = "") -> Callback:
            headers, body = vendor.callback(vendor.asked[0], forged)
            return Callback(headers, body, time.time())

        return call

    @pytest.mark.parametrize("secret", ["", Replicate.secret])
    def test_it_believes_a_genuine_one(self, vendor: Replicate, heard: Callable[..., Callback], secret: str) -> None:
        """The vendor is asked for its secret where the operator has not given it."""
        adapter = Adapter(vendor.base_url, vendor.key, secret)
        assert converse(adapter, adapter.verified(heard())) == vendor.asked[0].id

    @pytest.mark.parametrize("forged", FORGERIES)
    def test_it_believes_no_other(self, vendor: Replicate, heard: Callable[..., Callback], forged: str) -> None:
        adapter = Adapter(vendor.base_url, vendor.key)
        assert converse(adapter, adapter.verified(heard(forged))) == ""

    def test_a_time_far_away_asks_nobody(self, vendor: Replicate, heard: Callable[..., Callback]) -> None:
        for sent in ("", "soon", "-1", "9" * 400, "٣"):
            steps = Adapter("http://127.0.0.1:1").verified(Callback({"Webhook-Timestamp": sent}, b"{}", time.time()))
            with pytest.raises(StopIteration) as stop:
                next(steps)
            assert stop.value.value == ""

    def test_the_emulator_signs_as_the_vendor_does(
        self, client: Client, vendor: Replicate, heard: Callable[..., Callback]
    ) -> None:
        genuine = heard()
        assert Webhook(vendor.secret).verify(genuine.body, dict(genuine.headers))["status"] == "succeeded"
        secret = client.webhooks.default.secret()
        Webhooks.validate(headers=dict(genuine.headers), body=genuine.body.decode(), secret=secret)


@pytest.mark.django_db(transaction=True)
def test_a_webhook_ends_the_wait(
    sell: Callable[..., Route],
    alice: Caller,
    engine: Loop[Any],
    live_server: LiveServer,
    vendor: Replicate,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.EGGAPI_PUBLIC_URL = "https://egg.example"
    sell(vendor, "replicate", FAST)
    monkeypatch.setattr(Adapter, "first_poll", 600)
    task, _ = begin(alice, {"model": "nanobanana", "prompt": "an egg"})
    engine.wake()
    while not Purchase.objects.filter(state="accepted", attempt__task__lease_until=None).exists():
        time.sleep(0.02)
    [ask] = vendor.asked
    ask.raw["webhook"] = ask.raw["webhook"].replace("https://egg.example", live_server.url)
    assert [vendor.call_back(ask, forged) for forged in FORGERIES] == [403] * len(FORGERIES)
    assert vendor.call_back(ask) == 200
    engine.wake()
    assert ended(task).status == "completed"


class TestItsOwnClient:
    def test_it_runs_a_model(self, client: Client, vendor: Replicate) -> None:
        output = client.run(FAST, input={"prompt": "an egg", "aspect_ratio": "9:16"})
        assert output == f"{vendor.origin}/files/{vendor.asked[0].id}/0.jpg"
        assert (vendor.asked[0].ratio, vendor.asked[0].polls) == ("9:16", 2)  # held until it was over

    def test_it_edits_and_follows_its_addresses(self, client: Client, vendor: Replicate) -> None:
        edit = {"prompt": "an egg", "image_input": ["https://example.com/1.png"], "resolution": "2K"}
        made = client.predictions.create(model=PRO, input=edit)
        assert (made.status, made.version, vendor.asked[0].references) == ("starting", "hidden", 1)
        here = f"{vendor.base_url}/predictions/{made.id}"
        assert made.urls == {"get": here, "cancel": f"{here}/cancel"}
        made.wait()
        assert (made.status, made.error) == ("succeeded", None)
        assert client.predictions.get(made.id).output == made.output

    def test_it_waits_no_longer_than_it_asked_for(self, client: Client) -> None:
        made = client.predictions.create(model=FAST, input={"prompt": "an egg fault:stuck"}, wait=1)
        assert made.status == "starting"

    def test_it_cancels(self, client: Client) -> None:
        made = client.predictions.create(version="99256cc418d9", input={"prompt": "an egg fault:stuck"})
        made.cancel()
        made.reload()
        assert made.status == "canceled"

    def test_it_lists_page_by_page(self, client: Client, vendor: Replicate) -> None:
        vendor.page = 2
        made = [client.predictions.create(model=FAST, input={"prompt": f"egg {n}"}).id for n in range(3)]
        first = client.predictions.list()
        assert first.next is not None
        assert [one.id for page in (first, client.predictions.list(first.next)) for one in page] == made[::-1]

    def test_it_hears_of_a_failure(self, client: Client) -> None:
        with pytest.raises(ModelError, match="flagged as sensitive.*E005"):
            client.run(FAST, input={"prompt": "an egg fault:refused-later"})

    @pytest.mark.parametrize(
        ("model", "given", "status"),
        [
            ("google/nano-banana-retired", {"prompt": "an egg"}, 404),
            (FAST, {"prompt": "an egg", "aspect_ratio": "7:5"}, 422),
            (FAST, {"prompt": "an egg fault:e429"}, 429),
        ],
    )
    def test_it_reads_the_errors(self, client: Client, model: str, given: dict[str, str], status: int) -> None:
        with pytest.raises(ReplicateError) as caught:
            client.predictions.create(model=model, input=given)
        assert caught.value.status == status
        assert caught.value.detail

    def test_it_knows_who_it_is(self, client_of: Callable[[str], Client], vendor: Replicate) -> None:
        assert client_of(vendor.key).accounts.current().username == "acme"
        with pytest.raises(ReplicateError, match="valid authentication token"):
            client_of("dead").accounts.current()
