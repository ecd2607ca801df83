"""Gemini: what our adapter asks for and makes of every answer, and the vendor's own client at our emulator."""

import io
from base64 import b64encode, urlsafe_b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google import genai
from google.genai import errors, types
from PIL import Image as Pillow

from eggapi.http import Lost
from generation.models import Route, Task
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
from generation.providers.gemini import Gemini
from tests.customer import Customer
from tests.emulators.gemini import Gemini as Upstream
from tests.emulators.upstream import picture
from tests.generation.conftest import ended
from tests.generation.providers.conversation import answered, converse, says

FAST, PRO = "gemini-2.5-flash-image", "gemini-3-pro-image"
REFUSALS = ["SAFETY", "PROHIBITED_CONTENT", "BLOCKLIST", "SPII", "IMAGE_SAFETY"]
REFUSALS += ["IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "RECITATION", "MODEL_ARMOR"]


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as running:
        yield running


@pytest.fixture
def gemini(upstream: Upstream) -> Gemini:
    return Gemini(upstream.base_url, upstream.key)


@pytest.fixture
def reference(tmp_path: Path) -> Reference:
    file = tmp_path / "picture"
    file.write_bytes(picture("4:3", "1k"))
    return Reference(str(file), "image/png", "https://pictures.example/1.png")


def submit(gemini: Gemini, prompt: str = "an egg", model: str = FAST, **fields: Any) -> Any:
    return converse(gemini, gemini.submit(Job("ref-1", model, prompt, **fields)))


def answer_to_submit(reply: Reply) -> Any:
    """What comes of an answer the emulator has no reason to give."""
    return answered(Gemini("").submit(Job("ref-1", FAST, "an egg")), reply)


def size(image: Image) -> tuple[int, int]:
    assert image.file
    with image.file as file, Pillow.open(file) as opened:
        return opened.size


def test_it_asks_as_the_documentation_says(gemini: Gemini, upstream: Upstream, reference: Reference) -> None:
    fields: dict[str, Any] = {"aspect_ratio": "9:16", "resolution": "2k", "references": (reference,)}
    submit(gemini, "an egg fault:text-only", model=PRO, negative_prompt="chickens", **fields)
    [ask] = upstream.asked
    data = b64encode(picture("4:3", "1k")).decode()
    assert ask.raw == {
        "contents": [
            {
                "role": "user",
                "parts": [
                    {"text": "an egg fault:text-only\n\nAvoid: chickens"},
                    {"inlineData": {"mimeType": "image/png", "data": data}},
                ],
            }
        ],
        "generationConfig": {
            "responseModalities": ["TEXT", "IMAGE"],
            "imageConfig": {"aspectRatio": "9:16", "imageSize": "2K"},
        },
    }


def test_a_model_of_one_size_is_told_none(gemini: Gemini, upstream: Upstream) -> None:
    submit(gemini, "an egg fault:text-only", aspect_ratio="auto")
    assert upstream.asked[0].raw["generationConfig"]["imageConfig"] == {}


def test_its_models_differ_in_what_they_can_do(gemini: Gemini) -> None:
    fast, pro, newest = (gemini.capabilities(model) for model in (FAST, PRO, "gemini-9-image"))
    assert (sorted(fast.resolutions), fast.max_references) == (["1k"], 3)
    assert (sorted(pro.resolutions), pro.max_references) == (["1k", "2k", "4k"], 14)
    assert "8:1" in gemini.capabilities("gemini-3.1-flash-image").aspect_ratios - pro.aspect_ratios
    assert not newest.resolutions | newest.aspect_ratios
    assert newest.max_references == 14


def test_it_hands_over_the_picture(gemini: Gemini) -> None:
    finished = submit(gemini, aspect_ratio="1:1")
    assert finished.cost is None
    assert [size(image) for image in finished.images] == [(1024, 1024)]


def test_a_draft_is_not_the_picture(gemini: Gemini) -> None:
    wide, high = size(*submit(gemini, "an egg fault:thought", aspect_ratio="16:9").images)
    assert wide / high == pytest.approx(16 / 9, rel=0.01)


def test_a_picture_need_not_be_a_png() -> None:
    parts = [
        {"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}},
        {"inlineData": {"mimeType": "image/webp", "data": "AQID"}},
    ]
    answer = {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]}
    assert answer_to_submit(says(200, answer)) == Finished((Image(data=b"\1\2\3"),))


@pytest.mark.parametrize("reason", REFUSALS)
def test_a_refused_picture_was_taken_on(gemini: Gemini, reason: str) -> None:
    assert submit(gemini, f"an egg fault:finish-{reason}") == Failed(Outcome.REFUSED, f"{reason} ")


@pytest.mark.parametrize("reason", ["NO_IMAGE", "IMAGE_OTHER", "OTHER", "MAX_TOKENS", "NEVER_HEARD_OF"])
def test_any_other_end_is_no_image(gemini: Gemini, reason: str) -> None:
    assert submit(gemini, f"an egg fault:finish-{reason}") == Failed(Outcome.NO_IMAGE, f"{reason} ")


@pytest.mark.parametrize(
    "reason", ["SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY", "MODEL_ARMOR", "JAILBREAK"]
)
def test_a_blocked_prompt_was_not_taken_on(gemini: Gemini, reason: str) -> None:
    assert submit(gemini, f"an egg fault:block-{reason}") == Rejected(Outcome.REFUSED, f"{reason} ")


def test_an_end_without_a_picture_is_no_image(gemini: Gemini) -> None:
    assert submit(gemini, "an egg fault:empty") == Failed(Outcome.NO_IMAGE, "STOP ")
    prose = "STOP I would rather tell you of an egg."
    assert submit(gemini, "an egg fault:text-only") == Failed(Outcome.NO_IMAGE, prose)


@pytest.mark.parametrize(
    ("fault", "wait"), [("e429", 1.0), ("e429-retryinfo", 1.5), ("e429-garbage", None), ("e503", None)]
)
def test_a_busy_vendor_bought_nothing(gemini: Gemini, upstream: Upstream, fault: str, wait: float | None) -> None:
    rejected = submit(gemini, f"an egg fault:{fault}")
    assert (type(rejected), rejected.outcome, rejected.retry_after) == (Rejected, Outcome.RETRYABLE, wait)
    assert rejected.alarm == ""
    assert not upstream.billed


def test_high_demand_is_another_word_for_it() -> None:
    message = "This model is currently experiencing high demand. Please try again later."
    error = {"error": {"code": 503, "message": message, "status": "UNAVAILABLE"}}
    assert answer_to_submit(says(503, error)) == Rejected(Outcome.RETRYABLE, message)


@pytest.mark.parametrize("fault", ["e429-perday", "depleted", "precondition"])
def test_a_spent_quota_takes_the_route_down(gemini: Gemini, fault: str) -> None:
    rejected = submit(gemini, f"an egg fault:{fault}")
    assert (type(rejected), rejected.outcome) == (Rejected, Outcome.ROUTE_DOWN)


@pytest.mark.parametrize(("status", "body"), [(401, b"<html>"), (403, b""), (404, b"[1]")])
def test_a_status_needs_no_body_to_be_understood(status: int, body: bytes) -> None:
    assert answer_to_submit(Reply(status, {}, body)) == Rejected(Outcome.ROUTE_DOWN, f"{status} ")


def test_a_throttle_needs_no_body_to_be_understood() -> None:
    reply = Reply(429, {"Retry-After": "7"}, b"<html>")
    assert answer_to_submit(reply) == Rejected(Outcome.RETRYABLE, "", retry_after=7.0)


def test_a_wrong_key_takes_the_route_down(upstream: Upstream) -> None:
    rejected = submit(Gemini(upstream.base_url, "dead-key-0123456789"))
    assert rejected == Rejected(Outcome.ROUTE_DOWN, "API key not valid. Please pass a valid API key.")


@pytest.mark.parametrize("model", ["gemini-3-pro-image-preview", "gemini-3.1-flash-image-preview", "../files/a?b"])
def test_a_retired_model_takes_the_route_down(gemini: Gemini, upstream: Upstream, model: str) -> None:
    rejected = submit(gemini, model=model)
    assert (type(rejected), rejected.outcome) == (Rejected, Outcome.ROUTE_DOWN)
    assert upstream.asked[0].model == model


def test_a_picture_that_cannot_be_read_is_the_customers_fault(gemini: Gemini) -> None:
    invalid = Rejected(Outcome.INVALID, "a picture in image_urls cannot be read")
    assert submit(gemini, "an egg fault:invalid") == invalid


def test_any_other_400_alarms_us(gemini: Gemini) -> None:
    rejected = submit(gemini, "an egg fault:bad-request")
    assert (type(rejected), rejected.outcome) == (Rejected, Outcome.RETRYABLE)
    assert rejected.alarm == "status 400: Request contains an invalid argument."


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        *((fault, Unreadable) for fault in ("e500", "e504", "e503-deadline", "wrong-json", "odd-json")),
        *((fault, Lost) for fault in ("drop", "huge-json")),
    ],
)
def test_nobody_knows_what_became_of_it(gemini: Gemini, upstream: Upstream, fault: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        submit(gemini, f"an egg fault:{fault}")
    assert sum(upstream.billed.values()) == 1


def test_it_lists_the_models_page_by_page(gemini: Gemini, upstream: Upstream) -> None:
    assert len(upstream.models) > upstream.page
    assert converse(gemini, gemini.standing()) == Standing(models=upstream.models)


def test_the_list_tells_of_a_bad_key(upstream: Upstream) -> None:
    gemini = Gemini(upstream.base_url, "dead-key-0123456789")
    with pytest.raises(BadCredential):
        converse(gemini, gemini.standing())


# -- from POST /v1/generate to the end ---------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_it_asks_an_overloaded_vendor_again(
    upstream: Upstream, sell: Callable[..., Route], customer: Customer, engine: object
) -> None:
    sell(upstream, "gemini", FAST)
    answer = customer.generate(prompt="an egg fault:flapping")
    task = ended(Task.objects.get(pk=answer.data["id"]), 30)
    assert (task.status, task.cost) == ("completed", 10_000)
    assert (len(upstream.asked), sum(upstream.billed.values())) == (3, 1)


@pytest.mark.django_db(transaction=True)
def test_a_slow_picture_arrives(
    upstream: Upstream, sell: Callable[..., Route], customer: Customer, engine: object
) -> None:
    sell(upstream, "gemini", FAST)
    answer = customer.generate(prompt="an egg fault:late")
    task = Task.objects.get(pk=answer.data["id"])
    with pytest.raises(AssertionError, match="still pending"):
        ended(task, 1)
    upstream.release.set()
    assert ended(task).status == "completed"


# -- the vendor's own client -------------------------------------------------------------------------


@pytest.fixture(params=["v1", "v1beta"])
def client(upstream: Upstream, request: pytest.FixtureRequest) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=upstream.origin, api_version=request.param)
    with genai.Client(api_key=upstream.key, http_options=options) as client:
        yield client


def asked_by(client: genai.Client, *contents: Any, model: str = FAST, **shape: str) -> types.GenerateContentResponse:
    config = types.GenerateContentConfig(
        response_modalities=["TEXT", "IMAGE"], image_config=types.ImageConfig.model_validate(shape)
    )
    return client.models.generate_content(model=model, contents=list(contents), config=config)


def drawn(answer: types.GenerateContentResponse) -> list[tuple[int, int]]:
    assert answer.parts
    pictures = [part.inline_data.data for part in answer.parts if part.inline_data and not part.thought]
    return [Pillow.open(io.BytesIO(data)).size for data in pictures if data]


def test_its_own_client_gets_a_picture(client: genai.Client, upstream: Upstream) -> None:
    answer = asked_by(client, "an egg", model=PRO, aspect_ratio="1:1", image_size="4K")
    assert drawn(answer) == [(4096, 4096)]
    assert answer.candidates
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    [ask] = upstream.asked
    assert (ask.prompt, ask.ratio, ask.resolution) == ("an egg", "1:1", "4K")


def test_its_own_client_edits_a_picture(client: genai.Client, upstream: Upstream) -> None:
    part = types.Part.from_bytes(data=picture("4:3", "1k"), mime_type="image/png")
    assert drawn(asked_by(client, "crack it", part)) == [(1024, 1024)]
    [ask] = upstream.asked
    assert ask.references == 1
    assert urlsafe_b64decode(ask.raw["contents"][0]["parts"][1]["inlineData"]["data"]) == picture("4:3", "1k")


def test_its_own_client_is_shown_drafts(client: genai.Client) -> None:
    answer = asked_by(client, "an egg fault:thought")
    assert answer.parts
    assert [bool(part.thought) for part in answer.parts] == [True, True, False]


def test_its_own_client_understands_a_refusal(client: genai.Client) -> None:
    blocked = asked_by(client, "an egg fault:refused")
    assert blocked.prompt_feedback
    assert blocked.prompt_feedback.block_reason == types.BlockedReason.PROHIBITED_CONTENT
    refused = asked_by(client, "an egg fault:finish-IMAGE_SAFETY")
    assert refused.candidates
    assert refused.candidates[0].finish_reason == types.FinishReason.IMAGE_SAFETY


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        ("e429-retryinfo", 429, "RESOURCE_EXHAUSTED"),
        ("e429-perday", 429, "RESOURCE_EXHAUSTED"),
        ("e503", 503, "UNAVAILABLE"),
        ("invalid", 400, "INVALID_ARGUMENT"),
    ],
)
def test_its_own_client_understands_our_errors(client: genai.Client, fault: str, code: int, status: str) -> None:
    with pytest.raises(errors.APIError) as caught:
        asked_by(client, f"an egg fault:{fault}")
    assert (caught.value.code, caught.value.status) == (code, status)


def test_its_own_client_does_not_find_a_retired_model(client: genai.Client) -> None:
    with pytest.raises(errors.ClientError) as caught:
        asked_by(client, "an egg", model="gemini-3-pro-image-preview")
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")


def test_its_own_client_lists_the_models(client: genai.Client, upstream: Upstream) -> None:
    assert {model.name for model in client.models.list()} == {f"models/{name}" for name in upstream.models}
