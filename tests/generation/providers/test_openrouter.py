"""OpenRouter: what our adapter asks for and makes of every answer, and OpenAI's client, which it is spoken to with."""

import io
from base64 import b64decode, b64encode
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import openai
import pytest
from PIL import Image as Pillow

from eggapi.http import Lost
from generation.providers.base import (
    BadCredential,
    Failed,
    Finished,
    Image,
    Job,
    Outcome,
    Reference,
    Rejected,
    Reply,
    Standing,
    Unreadable,
)
from generation.providers.openrouter import OpenRouter
from tests.emulators.openrouter import COST
from tests.emulators.openrouter import OpenRouter as Upstream
from tests.emulators.upstream import picture
from tests.generation.providers.conversation import answered, converse, says

FAST, PRO = "google/gemini-2.5-flash-image", "google/gemini-3-pro-image"
JOB = Job("ref-1", FAST, "an egg")
MICRO_DOLLARS = 38_783  # of COST, rounded up


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as running:
        yield running


@pytest.fixture
def provider(upstream: Upstream) -> OpenRouter:
    return OpenRouter(upstream.base_url, upstream.key)


@pytest.fixture
def reference(tmp_path: Path) -> Reference:
    file = tmp_path / "picture"
    file.write_bytes(picture("4:3", "1k", "webp"))
    return Reference(str(file), "image/webp", "https://pictures.example/1.webp")


def submit(provider: OpenRouter, prompt: str = "an egg", model: str = FAST, **fields: Any) -> Any:
    return converse(provider, provider.submit(Job("ref-1", model, prompt, **fields)))


def made_of(body: object) -> Any:
    """What our adapter makes of an answer with status 200."""
    return answered(OpenRouter("").submit(JOB), says(200, body))


def data_url(content: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{b64encode(content).decode()}"


# -- what is asked for -----------------------------------------------------------------------------


def test_it_asks_for_a_picture(provider: OpenRouter, upstream: Upstream) -> None:
    finished = submit(provider, negative_prompt="hens", resolution="4k")
    assert upstream.asked[0].raw == {
        "model": FAST,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "an egg\n\nAvoid: hens"}]}],
        "modalities": ["image", "text"],
        "image_config": {"aspect_ratio": "16:9"},
    }
    with finished.images[0].file as file:
        assert file.seek(0) == 0
        assert file.read() == picture("16:9", "1k")


def test_a_large_model_is_told_the_size(provider: OpenRouter, upstream: Upstream) -> None:
    finished = submit(provider, model=PRO, resolution="4k", aspect_ratio="9:16")
    assert upstream.asked[0].raw["image_config"] == {"aspect_ratio": "9:16", "image_size": "4K"}
    with finished.images[0].file as file, Pillow.open(file) as image:
        assert max(image.size) >= 3840


def test_pictures_to_edit_go_in_the_message(provider: OpenRouter, upstream: Upstream, reference: Reference) -> None:
    submit(provider, model=PRO, references=(reference, reference)).images[0].close()
    url = data_url(picture("4:3", "1k", "webp"), "webp")
    text, *pictures = upstream.asked[0].raw["messages"][0]["content"]
    assert text == {"type": "text", "text": "an egg"}
    assert pictures == [{"type": "image_url", "image_url": {"url": url}}] * 2


def test_only_the_larger_models_have_sizes() -> None:
    fast, pro, other = (OpenRouter("").capabilities(model) for model in (FAST, PRO, "black-forest-labs/flux.2-pro"))
    assert pro.resolutions == {"1k", "2k", "4k"}
    assert fast.resolutions == other.resolutions == {"1k"}
    assert (fast.max_references, pro.max_references, pro.images_per_call) == (3, 14, 1)


# -- what is made of the answers -------------------------------------------------------------------


def test_it_says_what_a_picture_cost(provider: OpenRouter) -> None:
    finished = submit(provider)
    finished.images[0].close()
    assert (Decimal(str(COST)), finished.cost) == (Decimal("0.0387825"), MICRO_DOLLARS)


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        ({"cost": 0.14}, 140_000),
        ({"cost": 1}, 1_000_000),
        ({"cost": 3.9e-05}, 39),
        ({"cost": 0.0000005}, 1),
        ({"cost": 0}, 0),
        ({"cost": None}, None),
        ({"cost": "much"}, None),
        ({"cost": -0.1}, None),
        ({"cost": 1e300}, None),
        ({}, None),
        (None, None),
    ],
)
def test_the_cost_is_exact_or_not_told(usage: object, cost: int | None) -> None:
    message = {"images": [{"image_url": {"url": "https://pictures.example/1.png"}}]}
    assert made_of({"choices": [{"message": message}], "usage": usage}).cost == cost
    assert made_of({"choices": [{"message": {"content": ""}}], "usage": usage}).cost == cost


def test_a_picture_may_be_an_address(provider: OpenRouter, upstream: Upstream) -> None:
    finished = submit(provider, "fault:linked")
    assert finished == Finished((Image(upstream.urls(upstream.asked[0])[0]),), MICRO_DOLLARS)


@pytest.mark.parametrize(
    ("fault", "outcome", "wait", "alarm"),
    [
        ("e429-2", Outcome.RETRYABLE, 2.0, ""),
        ("e429-garbage", Outcome.RETRYABLE, None, ""),
        ("e503", Outcome.RETRYABLE, None, ""),
        ("e529", Outcome.RETRYABLE, None, ""),
        ("flapping", Outcome.RETRYABLE, None, ""),
        ("busy-402", Outcome.RETRYABLE, 3.0, ""),
        ("e402", Outcome.ROUTE_DOWN, None, ""),
        ("e403", Outcome.ROUTE_DOWN, None, ""),
        ("e404-endpoint", Outcome.ROUTE_DOWN, None, ""),
        ("refused", Outcome.REFUSED, None, ""),
        ("invalid", Outcome.INVALID, None, ""),
    ],
)
def test_a_job_that_was_not_taken(
    provider: OpenRouter, upstream: Upstream, fault: str, outcome: Outcome, wait: float | None, alarm: str
) -> None:
    rejected = submit(provider, f"a secret egg fault:{fault}")
    assert isinstance(rejected, Rejected)
    assert (rejected.outcome, rejected.retry_after, rejected.alarm) == (outcome, wait, alarm)
    assert "secret" not in rejected.message
    assert sum(upstream.billed.values()) == 0


def test_a_request_nobody_understands_is_reported_with_the_words_of_the_vendor_behind(provider: OpenRouter) -> None:
    rejected = submit(provider, "fault:bad-request")
    assert rejected.outcome == Outcome.RETRYABLE
    assert rejected.alarm.startswith('status 400: Provider returned error {"error": {"code": 400, "message": "Request')


def test_a_customers_fault_is_told_in_our_words(provider: OpenRouter) -> None:
    assert submit(provider, "fault:invalid").message == "a picture in image_urls cannot be read"


def test_a_model_that_is_gone_takes_the_route_down(provider: OpenRouter) -> None:
    assert submit(provider, model="google/gone").outcome == Outcome.ROUTE_DOWN


@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_a_status_is_enough_to_take_the_route_down(status: int) -> None:
    rejected = answered(OpenRouter("").submit(JOB), Reply(status, {}, b"<html>"))
    assert (type(rejected), rejected.outcome) == (Rejected, Outcome.ROUTE_DOWN)


@pytest.mark.parametrize(
    ("fault", "outcome", "alarm"),
    [
        ("inner-error", Outcome.RETRYABLE, ""),
        ("choice-error", Outcome.RETRYABLE, ""),
        ("failed", Outcome.RETRYABLE, ""),
        ("inner-429", Outcome.RETRYABLE, ""),
        ("inner-503", Outcome.RETRYABLE, ""),
        ("inner-400", Outcome.RETRYABLE, "400 It is told inside"),
        ("inner-402", Outcome.ROUTE_DOWN, ""),
        ("inner-404", Outcome.ROUTE_DOWN, ""),
        ("inner-403", Outcome.REFUSED, ""),
        ("refused-later", Outcome.REFUSED, ""),
        ("finish-IMAGE_SAFETY", Outcome.REFUSED, ""),
        ("finish-PROHIBITED_CONTENT", Outcome.REFUSED, ""),
        ("finish-NO_IMAGE", Outcome.NO_IMAGE, ""),
        ("text-only", Outcome.NO_IMAGE, ""),
        ("empty", Outcome.NO_IMAGE, ""),
    ],
)
def test_a_job_that_was_taken_and_failed(
    provider: OpenRouter, upstream: Upstream, fault: str, outcome: Outcome, alarm: str
) -> None:
    failed = submit(provider, f"an egg fault:{fault}")
    assert (type(failed), failed.outcome, failed.alarm) == (Failed, outcome, alarm)
    assert sum(upstream.billed.values()) == 1


def test_a_filter_is_a_refusal_and_what_it_cost_is_kept() -> None:
    choice = {"finish_reason": "content_filter", "message": {"content": None, "images": None}}
    assert made_of({"choices": [choice], "usage": {"cost": 0.002}}) == Failed(Outcome.REFUSED, "None ", 2000)


def test_an_error_without_words_ends_the_job() -> None:
    assert made_of({"choices": [{"finish_reason": "error"}]}) == Failed(Outcome.RETRYABLE, "None None")


@pytest.mark.parametrize("fault", ["e408", "e500", "e502", "e503-html", "e504", "e524", "wrong-json", "odd-json"])
def test_a_job_that_was_billed_is_never_called_rejected(provider: OpenRouter, upstream: Upstream, fault: str) -> None:
    with pytest.raises(Unreadable):
        submit(provider, f"an egg fault:{fault}")
    assert sum(upstream.billed.values()) == 1


@pytest.mark.parametrize("fault", ["drop", "huge-json"])
def test_an_answer_that_is_not_had_is_lost(provider: OpenRouter, fault: str) -> None:
    with pytest.raises(Lost):
        submit(provider, f"an egg fault:{fault}")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"choices": []},
        {"choices": None},
        {"choices": [{"message": None}]},
        {"error": "a word"},
        {"choices": [{"message": {"images": [{}]}}]},
        {"choices": [{"message": {"images": [{"image_url": {"url": ""}}]}}]},
        {"choices": [{"message": {"images": [{"image_url": {"url": "data:image/png;base64,A"}}]}}]},
    ],
)
def test_an_answer_that_says_nothing_leaves_a_submit_unknown(body: object) -> None:
    with pytest.raises((Unreadable, LookupError, TypeError, AttributeError, ValueError)):
        made_of(body)


@pytest.mark.parametrize(("limit", "balance"), [(74.5, Decimal("74.5")), (0, Decimal(0)), (None, None)])
def test_it_says_how_we_stand(
    provider: OpenRouter, upstream: Upstream, limit: float | None, balance: Decimal | None
) -> None:
    upstream.limit = limit
    assert converse(provider, provider.standing()) == Standing(upstream.models, balance)


def test_a_bad_key_is_said_to_be_one(upstream: Upstream) -> None:
    provider = OpenRouter(upstream.base_url, "another-key-0123456789")
    with pytest.raises(BadCredential):
        converse(provider, provider.standing())
    assert submit(provider).outcome == Outcome.ROUTE_DOWN


def test_a_list_out_of_reach_says_nothing() -> None:
    with pytest.raises(Unreadable):
        answered(OpenRouter("").standing(), says(200, {"data": {}}), says(500, {}))


# -- the client the vendor recommends --------------------------------------------------------------


@pytest.fixture
def client(upstream: Upstream) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=upstream.base_url, api_key=upstream.key, max_retries=0) as client:
        yield client


def complete(client: openai.OpenAI, prompt: Any, model: str = FAST, **image_config: str) -> Any:
    return client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": prompt}],
        extra_body={"modalities": ["image", "text"], "image_config": image_config},
    )


def test_the_client_draws(client: openai.OpenAI) -> None:
    answer = complete(client, "an egg", aspect_ratio="3:2")
    [image] = answer.choices[0].message.images
    with Pillow.open(io.BytesIO(b64decode(image["image_url"]["url"].partition(",")[2]))) as opened:
        assert opened.size[0] / opened.size[1] == pytest.approx(1.5, rel=0.01)
    assert (answer.choices[0].message.content, answer.usage.cost) == ("Here it is:", COST)


def test_the_client_sends_what_we_send(client: openai.OpenAI, provider: OpenRouter, upstream: Upstream) -> None:
    complete(client, [{"type": "text", "text": "an egg"}], PRO, aspect_ratio="16:9", image_size="2K")
    submit(provider, model=PRO, resolution="2k").images[0].close()
    assert upstream.asked[0].raw == upstream.asked[1].raw


def test_the_client_edits(client: openai.OpenAI, upstream: Upstream) -> None:
    part = {"type": "image_url", "image_url": {"url": data_url(picture("4:3", "1k"))}}
    complete(client, [{"type": "text", "text": "an egg"}, part, part])
    assert upstream.asked[0].references == 2


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("bad-request", openai.BadRequestError),
        ("refused", openai.PermissionDeniedError),
        ("e404-endpoint", openai.NotFoundError),
        ("e429", openai.RateLimitError),
        ("e500", openai.InternalServerError),
        ("e503", openai.InternalServerError),
    ],
)
def test_the_client_understands_the_errors(
    client: openai.OpenAI, fault: str, error: type[openai.APIStatusError]
) -> None:
    with pytest.raises(error):
        complete(client, f"an egg fault:{fault}")


def test_the_client_is_told_of_an_error_inside(client: openai.OpenAI) -> None:
    assert complete(client, "an egg fault:inner-error").error["code"] == 502


def test_the_client_is_told_of_a_bad_key(client: openai.OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError):
        complete(client.with_options(api_key="another"), "an egg")
