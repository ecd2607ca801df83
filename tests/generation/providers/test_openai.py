"""OpenAI: what our adapter asks for and makes of every answer, and the vendor's own client at our emulator."""

import io
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from PIL import Image as Pillow

from eggapi.http import Lost
from generation.providers.base import (
    INLINE_ANSWER,
    BadCredential,
    Failed,
    Finished,
    Job,
    Outcome,
    Reference,
    Rejected,
    Reply,
    Standing,
    Unreadable,
)
from generation.providers.openai import OpenAI
from tests.emulators.openai import OpenAI as Upstream
from tests.emulators.upstream import picture
from tests.generation.providers.conversation import answered, converse, says

NEW, OLD = "gpt-image-2", "gpt-image-1.5"
JOB = Job("ref-1", NEW, "an egg")
AWKWARD = 'an "egg"\r\n--boundary\r\nname="n"; \\ é 🥚 %0A &a=b'


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as running:
        yield running


@pytest.fixture
def provider(upstream: Upstream) -> OpenAI:
    return OpenAI(upstream.base_url, upstream.key)


@pytest.fixture
def references(tmp_path: Path) -> tuple[Reference, ...]:
    """A PNG and a JPEG."""
    made = []
    for kind in ("png", "jpeg"):
        file = tmp_path / kind
        file.write_bytes(picture("4:3", "1k", kind))
        made.append(Reference(str(file), f"image/{kind}", f"https://pictures.example/1.{kind}"))
    return tuple(made)


def submit(provider: OpenAI, prompt: str = "an egg", model: str = NEW, **fields: Any) -> Any:
    return converse(provider, provider.submit(Job("ref-1", model, prompt, **fields)))


def sizes(finished: Finished) -> list[tuple[int, int]]:
    """The pictures are in files by then, which are closed here."""
    found = []
    for image in finished.images:
        assert image.file
        with image.file, Pillow.open(image.file) as opened:
            found.append(opened.size)
    return found


# -- what is asked for -----------------------------------------------------------------------------


def test_it_asks_for_pictures(provider: OpenAI, upstream: Upstream) -> None:
    finished = submit(provider, negative_prompt="hens", images=2, output_format="webp")
    assert upstream.asked[0].raw["fields"] == {
        "model": "gpt-image-2",
        "prompt": "an egg\n\nAvoid: hens",
        "size": "1536x864",
        "output_format": "webp",
        "n": 2,
    }
    assert finished.cost is None
    assert sizes(finished) == [(1536, 864), (1536, 864)]


@pytest.mark.parametrize(
    ("ratio", "resolution", "size"),
    [
        ("16:9", "2k", (2048, 1152)),
        ("16:9", "4k", (3840, 2160)),
        ("9:16", "4k", (2160, 3840)),
        ("3:2", "1k", (1536, 1024)),
        ("1:1", "1k", (1248, 1248)),
        ("1:1", "4k", (2880, 2880)),
    ],
)
def test_a_size_has_the_shape_and_about_the_resolution(
    provider: OpenAI, ratio: str, resolution: str, size: tuple[int, int]
) -> None:
    assert sizes(submit(provider, aspect_ratio=ratio, resolution=resolution)) == [size]


@pytest.mark.parametrize(("ratio", "size"), [("1:1", (1024, 1024)), ("3:2", (1536, 1024)), ("2:3", (1024, 1536))])
def test_a_first_model_has_three_sizes(provider: OpenAI, ratio: str, size: tuple[int, int]) -> None:
    assert sizes(submit(provider, model=OLD, aspect_ratio=ratio)) == [size]


@pytest.mark.parametrize("model", [NEW, OLD])
def test_the_vendor_draws_everything_a_model_is_said_to_do(provider: OpenAI, model: str) -> None:
    can = provider.capabilities(model)
    for ratio in can.aspect_ratios:
        for resolution in can.resolutions:
            finished = submit(provider, "fault:bad-bytes", model, aspect_ratio=ratio, resolution=resolution)
            assert isinstance(finished, Finished), (ratio, resolution, finished)
            finished.images[0].close()


def test_a_first_model_does_not_claim_the_shapes_it_would_miss() -> None:
    new, old, alias = (OpenAI("").capabilities(model) for model in (NEW, OLD, "chatgpt-image-latest"))
    assert {"16:9", "9:16"} < new.aspect_ratios
    assert old.aspect_ratios == alias.aspect_ratios == {"1:1", "3:2", "2:3"}
    assert new.resolutions == {"1k", "2k", "4k"}
    assert old.resolutions == {"1k"}
    assert (new.max_references, new.images_per_call) == (16, 4)


def test_it_edits_one_picture(provider: OpenAI, upstream: Upstream, references: tuple[Reference, ...]) -> None:
    finished = submit(provider, AWKWARD, references=references[:1], images=3)
    assert len(sizes(finished)) == 3
    assert upstream.asked[0].raw == {
        "fields": {"model": NEW, "prompt": AWKWARD, "size": "1536x864", "output_format": "png", "n": "3"},
        "files": [("image", "picture.png", "image/png", picture("4:3", "1k"))],
    }


def test_it_edits_several_pictures(provider: OpenAI, upstream: Upstream, references: tuple[Reference, ...]) -> None:
    sizes(submit(provider, references=references))
    assert upstream.asked[0].raw["files"] == [
        ("image[]", "picture.png", "image/png", picture("4:3", "1k")),
        ("image[]", "picture.jpeg", "image/jpeg", picture("4:3", "1k", "jpeg")),
    ]


def test_more_pictures_may_take_more_room() -> None:
    for images in (1, 4):
        assert next(OpenAI("").submit(Job("ref-1", NEW, "an egg", images=images))).largest == images * INLINE_ANSWER


# -- what is made of the answers -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "outcome", "wait", "alarm"),
    [
        ("e429-2", Outcome.RETRYABLE, 2.0, ""),
        ("e429-ms", Outcome.RETRYABLE, 1.5, ""),
        ("e429-garbage", Outcome.RETRYABLE, None, ""),
        ("e503", Outcome.RETRYABLE, None, ""),
        ("flapping", Outcome.RETRYABLE, None, ""),
        ("quota", Outcome.ROUTE_DOWN, None, ""),
        ("billing-limit", Outcome.ROUTE_DOWN, None, ""),
        ("refused", Outcome.REFUSED, None, ""),
        ("invalid", Outcome.INVALID, None, ""),
        ("bad-request", Outcome.RETRYABLE, None, "status 400 unknown_parameter: Unknown parameter: 'seed'."),
    ],
)
def test_a_job_that_was_not_taken(
    provider: OpenAI, upstream: Upstream, fault: str, outcome: Outcome, wait: float | None, alarm: str
) -> None:
    rejected = submit(provider, f"an egg fault:{fault}")
    assert isinstance(rejected, Rejected)
    assert (rejected.outcome, rejected.retry_after, rejected.alarm) == (outcome, wait, alarm)
    assert sum(upstream.billed.values()) == 0


def test_a_customers_fault_is_told_in_our_words(provider: OpenAI) -> None:
    assert submit(provider, "fault:invalid").message == "a picture in image_urls cannot be read"


def test_a_picture_the_vendor_cannot_read_is_the_customers_fault(provider: OpenAI, tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"not a picture")
    text = Reference(str(tmp_path / "text"), "image/png", "https://pictures.example/1.png")
    assert submit(provider, references=(text,)).outcome == Outcome.INVALID


def test_what_was_drawn_and_then_blocked_may_have_been_paid(provider: OpenAI, upstream: Upstream) -> None:
    assert submit(provider, "fault:blocked-output") == Failed(
        Outcome.REFUSED, "Your request was rejected by the safety system."
    )
    assert sum(upstream.billed.values()) == 1


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, b""),
        (403, b'{"error": {"message": "Your organization must be verified to use the model"}}'),
        (404, b"<html>"),
        (402, b"{}"),
        (400, b'{"error": {"code": "invalid_value", "param": "model"}}'),
        (400, b'{"error": {"code": "model_not_found", "param": null}}'),
    ],
)
def test_a_credential_or_a_model_that_is_gone_takes_the_route_down(status: int, body: bytes) -> None:
    rejected = answered(OpenAI("").submit(JOB), Reply(status, {}, body))
    assert (type(rejected), rejected.outcome) == (Rejected, Outcome.ROUTE_DOWN)


@pytest.mark.parametrize("fault", ["e500", "e502", "e504", "e503-html", "failed", "wrong-json", "odd-json"])
def test_a_job_that_was_billed_is_never_called_rejected(provider: OpenAI, upstream: Upstream, fault: str) -> None:
    with pytest.raises(Unreadable):
        submit(provider, f"an egg fault:{fault}")
    assert sum(upstream.billed.values()) == 1


@pytest.mark.parametrize("fault", ["drop", "huge-json"])
def test_an_answer_that_is_not_had_is_lost(provider: OpenAI, fault: str) -> None:
    with pytest.raises(Lost):
        submit(provider, f"an egg fault:{fault}")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (408, {}),
        (409, {}),
        (503, {"error": {"message": "Service Unavailable"}}),
        (200, {}),
        (200, {"data": None}),
        (200, {"data": [{"url": "https://elsewhere.example/1.png"}]}),
        (200, {"data": [{"b64_json": ""}]}),
        (200, {"data": [{"b64_json": "A"}]}),
    ],
)
def test_an_answer_that_says_nothing_leaves_a_submit_unknown(status: int, body: object) -> None:
    with pytest.raises((Unreadable, LookupError, TypeError, ValueError)):
        answered(OpenAI("").submit(JOB), says(status, body))


def test_no_picture_is_no_picture(provider: OpenAI) -> None:
    assert submit(provider, "fault:empty") == Finished(())


def test_it_says_which_models_there_are(provider: OpenAI, upstream: Upstream) -> None:
    assert converse(provider, provider.standing()) == Standing(models=upstream.models)


def test_a_bad_key_is_said_to_be_one(upstream: Upstream) -> None:
    provider = OpenAI(upstream.base_url, "another-key-0123456789")
    with pytest.raises(BadCredential):
        converse(provider, provider.standing())
    assert submit(provider).outcome == Outcome.ROUTE_DOWN


def test_a_list_out_of_reach_says_nothing() -> None:
    with pytest.raises(Unreadable):
        answered(OpenAI("").standing(), says(500, {}))


# -- the vendor's own client -----------------------------------------------------------------------


@pytest.fixture
def client(upstream: Upstream) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=upstream.base_url, api_key=upstream.key, max_retries=0) as client:
        yield client


def test_the_client_draws(client: openai.OpenAI, upstream: Upstream) -> None:
    answer = client.images.generate(model=NEW, prompt="an egg", n=2, size="2048x1152", output_format="jpeg")
    assert answer.data
    with Pillow.open(io.BytesIO(b64decode(answer.data[0].b64_json or ""))) as image:
        assert (image.format, image.size, len(answer.data)) == ("JPEG", (2048, 1152), 2)
    assert (answer.size, answer.output_format) == ("2048x1152", "jpeg")
    assert answer.usage
    assert answer.usage.total_tokens == 4210


@pytest.mark.parametrize("count", [1, 3])
def test_the_client_sends_pictures_as_we_do(
    client: openai.OpenAI, provider: OpenAI, upstream: Upstream, references: tuple[Reference, ...], count: int
) -> None:
    ours = (references * 2)[:count]
    theirs = [(f"picture.{one.content_type[6:]}", Path(one.path).read_bytes(), one.content_type) for one in ours]
    client.images.edit(
        model=NEW,
        prompt=AWKWARD,
        image=theirs if count > 1 else theirs[0],
        n=1,
        size="1536x864",
        output_format="png",
    )
    sizes(submit(provider, AWKWARD, references=ours))
    assert upstream.asked[0].raw == upstream.asked[1].raw
    assert upstream.asked[0].references == count


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        ("refused", openai.BadRequestError, "moderation_blocked"),
        ("invalid", openai.BadRequestError, "invalid_image_file"),
        ("e429", openai.RateLimitError, "rate_limit_exceeded"),
        ("quota", openai.RateLimitError, "insufficient_quota"),
        ("e500", openai.InternalServerError, None),
        ("e503", openai.InternalServerError, None),
    ],
)
def test_the_client_understands_the_errors(
    client: openai.OpenAI, fault: str, error: type[openai.APIStatusError], code: str | None
) -> None:
    with pytest.raises(error) as raised:
        client.images.generate(model=NEW, prompt=f"fault:{fault}")
    assert (raised.value.code, raised.value.request_id) == (code, "req_0123456789abcdef")


def test_the_client_is_told_of_a_bad_key_and_a_bad_model(client: openai.OpenAI, upstream: Upstream) -> None:
    with pytest.raises(openai.NotFoundError):
        client.images.generate(model="gpt-image-0", prompt="an egg")
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="another").images.generate(model=NEW, prompt="an egg")


def test_the_client_is_told_of_a_size_that_is_none(client: openai.OpenAI) -> None:
    for model, size in ((NEW, "1000x1000"), (NEW, "4096x4096"), (NEW, "256x256"), (OLD, "1536x864")):
        with pytest.raises(openai.BadRequestError) as raised:
            client.images.generate(model=model, prompt="an egg", size=size)
        assert raised.value.param == "size"


def test_the_client_lists_the_models(client: openai.OpenAI, upstream: Upstream) -> None:
    assert {model.id for model in client.models.list()} == upstream.models
