"""APIXO: faults with several names, a 403 with two meanings, callbacks nobody signs."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from generation.providers.apixo import Apixo
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
    Unreadable,
)
from tests.emulators.apixo import Apixo as Upstream
from tests.generation.providers.conversation import answered, converse, says
from tests.webhooks.receiver import Receiver

JOB = Job("ref-1", "nano-banana", "an egg")
PICTURE = Reference("/nowhere", "image/png", "https://pictures.example/1.png")
UNREACHABLE = "a picture in image_urls cannot be fetched"
TOO_LARGE = "a picture in image_urls is larger than 10 MB"
WRONG_FORMAT = "a picture in image_urls is neither JPEG, PNG nor WebP"
TOO_LONG = "the prompt is too long"


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as running:
        yield running


@pytest.fixture
def vendor(upstream: Upstream) -> Apixo:
    return Apixo(upstream.base_url, upstream.key)


def submitted(vendor: Apixo, **fields: Any) -> Any:
    return converse(vendor, vendor.submit(replace(JOB, **fields)))


def polled(vendor: Apixo, fault: str) -> Any:
    accepted = submitted(vendor, prompt=f"an egg fault:{fault}")
    return converse(vendor, vendor.poll(JOB, accepted.upstream_id))


def reply_to_submit(status: int, message: str, error: str = "") -> Any:
    reply = says(status, {"code": status, "message": message, "data": {"error": error}})
    return answered(Apixo("").submit(JOB), reply)


def reply_to_poll(**data: object) -> Any:
    return answered(Apixo("").poll(JOB, "task_1"), says(200, {"code": 200, "data": data}))


# -- submit ----------------------------------------------------------------------------------------


def test_it_says_what_is_wanted(vendor: Apixo, upstream: Upstream) -> None:
    assert submitted(vendor, negative_prompt="chickens", output_format="jpeg", strategy="value") == Accepted(
        "task_00000000"
    )
    assert upstream.asked[0].raw == {
        "request_type": "async",
        "provider": "value",
        "input": {
            "mode": "text-to-image",
            "prompt": "an egg\n\nAvoid: chickens",
            "aspect_ratio": "16:9",
            "output_format": "jpeg",
        },
    }


def test_an_edit_names_its_pictures(vendor: Apixo, upstream: Upstream) -> None:
    submitted(vendor, references=(PICTURE,))
    given = upstream.asked[0].raw["input"]
    assert (given["mode"], given["image_urls"]) == ("image-to-image", [PICTURE.url])


@pytest.mark.parametrize("model", ["nano-banana-2", "nano-banana-pro"])
def test_the_larger_models_are_told_the_resolution(vendor: Apixo, upstream: Upstream, model: str) -> None:
    submitted(vendor, model=model, resolution="4k")
    assert upstream.asked[0].raw["input"]["resolution"] == "4k"


def test_an_answer_with_an_error_status_was_not_taken(vendor: Apixo, upstream: Upstream) -> None:
    expected = Rejected(Outcome.RETRYABLE, "Model temporarily unavailable ")
    assert submitted(vendor, prompt="an egg fault:e503") == expected
    assert sum(upstream.billed.values()) == 0


def test_a_503_of_a_proxys_says_nothing() -> None:
    with pytest.raises(Unreadable):
        answered(Apixo("").submit(JOB), Reply(503, {}, b"<html>upstream connect error</html>"))


def test_a_throttle_names_the_wait(vendor: Apixo) -> None:
    assert submitted(vendor, prompt="an egg fault:e429-2").retry_after == 2.0


@pytest.mark.parametrize(
    ("status", "message", "outcome"),
    [
        (401, "Invalid or missing API key", Outcome.ROUTE_DOWN),
        (402, "Insufficient balance", Outcome.ROUTE_DOWN),
        (403, "API key lacks permission", Outcome.ROUTE_DOWN),
        (403, "Content violates policy", Outcome.REFUSED),
        (404, "Resource not found", Outcome.ROUTE_DOWN),
        (400, "NSFW_DETECTED", Outcome.REFUSED),
        (400, "INSUFFICIENT_CREDITS", Outcome.ROUTE_DOWN),
    ],
)
def test_the_words_decide_what_a_rejection_means(status: int, message: str, outcome: Outcome) -> None:
    rejected = reply_to_submit(status, message)
    assert (type(rejected), rejected.outcome, rejected.alarm) == (Rejected, outcome, "")


def test_a_customers_fault_is_told_in_our_words(vendor: Apixo) -> None:
    assert submitted(vendor, prompt="an egg fault:invalid") == Rejected(Outcome.INVALID, TOO_LARGE)


def test_a_request_the_vendor_finds_wrong_is_reported(vendor: Apixo) -> None:
    words = "Invalid request Missing required field: input.style"
    expected = Rejected(Outcome.RETRYABLE, words, alarm=f"status 400: {words}")
    assert submitted(vendor, prompt="an egg fault:bad-request") == expected


@pytest.mark.parametrize("data", [None, [], {}, {"taskId": None}, {"taskId": ""}, {"taskId": 7}])
def test_an_answer_without_a_job_is_unreadable(data: object) -> None:
    with pytest.raises((Unreadable, TypeError, LookupError)):
        answered(Apixo("").submit(JOB), says(200, {"code": 200, "message": "success", "data": data}))


@pytest.mark.parametrize("fault", ["e500", "wrong-json", "odd-json"])
def test_a_job_that_was_billed_is_never_called_rejected(vendor: Apixo, upstream: Upstream, fault: str) -> None:
    with pytest.raises(Unreadable):
        submitted(vendor, prompt=f"an egg fault:{fault}")
    assert sum(upstream.billed.values()) == 1


# -- poll ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("stuck", Pending()),
        ("flapping", Pending()),
        ("odd-state", Pending(alarm="unknown state dreaming")),
        ("empty", Finished(())),
        ("failed", Failed(Outcome.RETRYABLE, "GENERATION_FAILED Generation failed")),
        ("refused-later", Failed(Outcome.REFUSED, "SensitiveContentDetected Content flagged as violation")),
    ],
)
def test_a_poll_says_how_the_job_is_doing(vendor: Apixo, fault: str, expected: object) -> None:
    assert polled(vendor, fault) == expected


def test_the_result_is_json_in_a_string(vendor: Apixo, upstream: Upstream) -> None:
    submitted(vendor)
    assert converse(vendor, vendor.poll(JOB, "task_00000000")) == Pending()
    finished = converse(vendor, vendor.poll(JOB, "task_00000000"))
    assert finished == Finished((Image(f"{upstream.origin}/files/task_00000000/0.png"),))


def test_a_job_is_not_known_under_another_model(vendor: Apixo) -> None:
    submitted(vendor)
    other = replace(JOB, model="nano-banana-pro")
    absent = Failed(Outcome.NO_IMAGE, "the job is not known")
    assert converse(vendor, vendor.poll(other, "task_00000000")) == absent


def test_a_throttled_poll_waits() -> None:
    assert answered(Apixo("").poll(JOB, "task_1"), Reply(429, {"Retry-After": "7"}, b"")) == Pending(wait=7.0)


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("CONTENT_VIOLATION", Outcome.REFUSED),
        ("NSFW_DETECTED", Outcome.REFUSED),
        ("NSFW", Outcome.REFUSED),
        ("SensitiveContent", Outcome.REFUSED),
        ("InputImageSensitiveContentDetected", Outcome.REFUSED),
        ("ProhibitedContentDetected", Outcome.REFUSED),
        ("PROCESSING_TIMEOUT", Outcome.RETRYABLE),
        ("MODEL_UNAVAILABLE", Outcome.RETRYABLE),
        ("INVALID_PROMPT", Outcome.RETRYABLE),
        ("INSUFFICIENT_CREDITS", Outcome.ROUTE_DOWN),
    ],
)
def test_a_code_of_any_age_is_understood(code: str, outcome: Outcome) -> None:
    failed = reply_to_poll(state="failed", failCode=code, failMsg="It failed")
    assert failed == Failed(outcome, f"{code} It failed")


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("IMAGE_TOO_LARGE", TOO_LARGE),
        ("INVALID_IMAGE_URL", UNREACHABLE),
        ("IMAGE_DOWNLOAD_FAILED", UNREACHABLE),
        ("UNSUPPORTED_FORMAT", WRONG_FORMAT),
        ("PROMPT_TOO_LONG", TOO_LONG),
        ("PromptLengthExceeded", TOO_LONG),
    ],
)
def test_a_code_that_blames_the_customer_is_told_in_our_words(code: str, told: str) -> None:
    assert reply_to_poll(state="failed", failCode=code, failMsg="It failed") == Failed(Outcome.INVALID, told)


def test_a_failure_without_a_reason_is_retryable() -> None:
    assert reply_to_poll(state="failed").outcome == Outcome.RETRYABLE


# -- callbacks -------------------------------------------------------------------------------------


def test_a_job_may_call_back(vendor: Apixo, upstream: Upstream) -> None:
    with Receiver() as receiver:
        submitted(vendor, callback_url=receiver.url)
        assert upstream.asked[0].raw["request_type"] == "callback"
        assert upstream.call_back(upstream.asked[0]) == 200
    [received] = receiver.received
    callback = Callback(dict(received.headers), received.body, now=0.0)
    assert answered(vendor.verified(callback)) == "task_00000000"


@pytest.mark.parametrize("body", [b"", b"[]", b'{"data": null}', b'{"data": {"taskId": null}}'])
def test_a_callback_without_a_job_is_not_believed(body: bytes) -> None:
    with pytest.raises((Unreadable, TypeError)):
        answered(Apixo("").verified(Callback({}, body, now=0.0)))


# -- capabilities and standing ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "references", "resolutions"),
    [
        ("nano-banana", 5, {"1k"}),
        ("nano-banana-2", 14, {"1k", "2k", "4k"}),
        ("nano-banana-pro", 14, {"1k", "2k", "4k"}),
    ],
)
def test_the_first_model_can_do_less(model: str, references: int, resolutions: set[str]) -> None:
    can = Apixo("").capabilities(model)
    assert (can.max_references, set(can.resolutions)) == (references, resolutions)


def test_it_reads_the_balance(vendor: Apixo) -> None:
    assert converse(vendor, vendor.standing()).balance == Decimal("74.87")


def test_a_credential_nobody_knows_is_bad(upstream: Upstream) -> None:
    stranger = Apixo(upstream.base_url, "key-of-nobody")
    with pytest.raises(BadCredential):
        converse(stranger, stranger.standing())
