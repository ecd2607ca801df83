"""kie.ai: errors inside of HTTP 200, results in strings, and signatures that cover a job's id and no more."""

import time
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

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
from generation.providers.kie import Kie
from tests.emulators.kie import Kie as Upstream
from tests.generation.providers.conversation import answered, converse, says
from tests.webhooks.receiver import Receiver

JOB = Job("ref-1", "google/nano-banana", "an egg")
PICTURE = Reference("/nowhere", "image/png", "https://pictures.example/1.png")


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as running:
        yield running


@pytest.fixture
def vendor(upstream: Upstream) -> Kie:
    return Kie(upstream.base_url, upstream.key, upstream.webhook_key)


def submitted(vendor: Kie, **fields: Any) -> Any:
    return converse(vendor, vendor.submit(replace(JOB, **fields)))


def polled(vendor: Kie, fault: str) -> Any:
    accepted = submitted(vendor, prompt=f"an egg fault:{fault}")
    return converse(vendor, vendor.poll(JOB, accepted.upstream_id))


def reply_to_submit(code: int, message: str = "", data: object = None) -> Any:
    return answered(Kie("").submit(JOB), says(200, {"code": code, "msg": message, "data": data}))


def reply_to_poll(code: int, data: object) -> Any:
    return answered(Kie("").poll(JOB, "task_1"), says(200, {"code": code, "msg": "", "data": data}))


# -- submit ----------------------------------------------------------------------------------------


def test_it_says_what_is_wanted(vendor: Kie, upstream: Upstream) -> None:
    assert submitted(vendor, negative_prompt="chickens") == Accepted("task_google_0")
    assert upstream.asked[0].raw == {
        "model": "google/nano-banana",
        "input": {"prompt": "an egg\n\nAvoid: chickens", "aspect_ratio": "16:9", "output_format": "png"},
    }


@pytest.mark.parametrize(
    ("model", "asked", "name"),
    [
        ("google/nano-banana", "google/nano-banana-edit", "image_urls"),
        ("nano-banana-pro", "nano-banana-pro", "image_input"),
        ("nano-banana-2", "nano-banana-2", "image_urls"),
    ],
)
def test_every_model_has_its_own_name_for_pictures(
    vendor: Kie, upstream: Upstream, model: str, asked: str, name: str
) -> None:
    submitted(vendor, model=model, references=(PICTURE,))
    raw = upstream.asked[0].raw
    assert (raw["model"], raw["input"][name]) == (asked, [PICTURE.url])


def test_the_larger_models_are_told_the_resolution(vendor: Kie, upstream: Upstream) -> None:
    submitted(vendor, model="nano-banana-pro", resolution="4k", output_format="jpeg")
    given = upstream.asked[0].raw["input"]
    assert (given["resolution"], given["output_format"]) == ("4K", "jpg")


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        (401, "no access", Rejected(Outcome.ROUTE_DOWN, "401 no access")),
        (402, "no credits", Rejected(Outcome.ROUTE_DOWN, "402 no credits")),
        (404, "no model", Rejected(Outcome.ROUTE_DOWN, "404 no model")),
        (433, "sub-key limit", Rejected(Outcome.ROUTE_DOWN, "433 sub-key limit")),
        (505, "disabled", Rejected(Outcome.ROUTE_DOWN, "505 disabled")),
        (429, "too many", Rejected(Outcome.RETRYABLE, "too many")),
        (455, "maintenance", Rejected(Outcome.RETRYABLE, "maintenance")),
        (400, "flagged as NSFW", Rejected(Outcome.REFUSED, "flagged as NSFW")),
        (422, "too wide", Rejected(Outcome.RETRYABLE, "too wide", alarm="code 422: too wide")),
        (
            422,
            "image_urls: the file is larger than 10 MB",
            Rejected(Outcome.INVALID, "a picture in image_urls is larger than 10 MB"),
        ),
    ],
)
def test_the_code_in_the_body_decides(code: int, message: str, expected: Rejected) -> None:
    assert reply_to_submit(code, message) == expected


@pytest.mark.parametrize("code", [408, 500, 501, 777])
def test_a_code_that_may_have_been_paid_is_unreadable(code: int) -> None:
    with pytest.raises(Unreadable):
        reply_to_submit(code)


def test_a_status_decides_where_there_is_no_json() -> None:
    reply = Reply(429, {"Retry-After": "3"}, b"<html>slow down</html>")
    assert answered(Kie("").submit(JOB), reply) == Rejected(Outcome.RETRYABLE, "", retry_after=3.0)


@pytest.mark.parametrize("data", [None, [], {}, {"taskId": None}])
def test_a_success_without_a_job_is_unreadable(data: object) -> None:
    with pytest.raises((Unreadable, TypeError, LookupError)):
        reply_to_submit(200, "success", data)


# -- poll ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("stuck", Pending()),
        ("flapping", Pending()),
        ("odd-state", Pending(alarm="unknown state dreaming")),
        ("empty", Finished(())),
        ("failed", Failed(Outcome.RETRYABLE, "500 Internal server error")),
        ("refused-later", Failed(Outcome.REFUSED, "400 Your prompt was flagged as sensitive")),
    ],
)
def test_a_poll_says_how_the_job_is_doing(vendor: Kie, fault: str, expected: object) -> None:
    assert polled(vendor, fault) == expected


def test_the_result_is_json_in_a_string(vendor: Kie, upstream: Upstream) -> None:
    submitted(vendor)
    assert converse(vendor, vendor.poll(JOB, "task_google_0")) == Pending()
    finished = converse(vendor, vendor.poll(JOB, "task_google_0"))
    assert finished == Finished((Image(f"{upstream.origin}/files/task_google_0/0.png"),))


@pytest.mark.parametrize("result", ["", None, "{}", '{"resultUrls": null}'])
def test_a_success_without_pictures_is_finished(result: str | None) -> None:
    assert reply_to_poll(200, {"state": "success", "resultJson": result}) == Finished(())


def test_a_failure_is_a_refusal_by_its_words_too() -> None:
    failed = reply_to_poll(200, {"state": "fail", "failCode": "500", "failMsg": "Content policy: sensitive words"})
    assert failed == Failed(Outcome.REFUSED, "500 Content policy: sensitive words")


@pytest.mark.parametrize("code", [200, 501])
def test_a_failure_without_a_reason_is_retryable(code: int) -> None:
    assert reply_to_poll(code, {"state": "fail", "resultJson": None}).outcome == Outcome.RETRYABLE


@pytest.mark.parametrize("code", [401, 408, 429, 500])
def test_a_poll_that_fails_is_asked_again(code: int) -> None:
    assert reply_to_poll(code, None) == Pending()


def test_a_job_nobody_knows_brings_no_image(vendor: Kie) -> None:
    assert converse(vendor, vendor.poll(JOB, "task_9")) == Failed(Outcome.NO_IMAGE, "the job is not known")


# -- callbacks -------------------------------------------------------------------------------------


def called_back(vendor: Kie, upstream: Upstream, forged: str = "") -> Callback:
    """A job's callback as it came in."""
    with Receiver() as receiver:
        submitted(vendor, callback_url=receiver.url)
        assert upstream.call_back(upstream.asked[0], forged=forged) == 200
    [received] = receiver.received
    return Callback(dict(received.headers), received.body, time.time())


def test_a_genuine_callback_names_its_job(vendor: Kie, upstream: Upstream) -> None:
    assert answered(vendor.verified(called_back(vendor, upstream))) == "task_google_0"


@pytest.mark.parametrize("forged", ["key", "job", "stale", "unsigned"])
def test_a_forged_callback_is_not_believed(vendor: Kie, upstream: Upstream, forged: str) -> None:
    assert answered(vendor.verified(called_back(vendor, upstream, forged))) == ""


@pytest.mark.parametrize("late", [-400, 400])
def test_a_callback_out_of_its_time_is_not_believed(vendor: Kie, upstream: Upstream, late: float) -> None:
    callback = called_back(vendor, upstream)
    assert answered(vendor.verified(replace(callback, now=callback.now + late))) == ""


def test_without_a_key_there_is_no_signature_to_check(vendor: Kie, upstream: Upstream) -> None:
    callback = called_back(vendor, upstream, "unsigned")
    assert answered(Kie(upstream.base_url, upstream.key).verified(callback)) == "task_google_0"


def test_the_older_name_of_the_job_is_understood() -> None:
    callback = Callback({}, b'{"code": 200, "data": {"task_id": "task_7"}}', now=0.0)
    assert answered(Kie("").verified(callback)) == "task_7"


# -- capabilities and standing ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "references", "resolutions"),
    [("google/nano-banana", 10, {"1k"}), ("nano-banana-pro", 8, {"1k", "2k", "4k"})],
)
def test_the_models_differ_in_what_they_take(model: str, references: int, resolutions: set[str]) -> None:
    can = Kie("").capabilities(model)
    assert (can.max_references, set(can.resolutions)) == (references, resolutions)


def test_it_reads_the_credits(vendor: Kie) -> None:
    assert converse(vendor, vendor.standing()).balance == Decimal(100)


def test_a_credential_nobody_knows_is_bad(upstream: Upstream) -> None:
    stranger = Kie(upstream.base_url, "key-of-nobody")
    with pytest.raises(BadCredential):
        converse(stranger, stranger.standing())


def test_credits_that_are_no_number_are_unreadable(vendor: Kie, upstream: Upstream) -> None:
    upstream.credits = None
    with pytest.raises(Unreadable):
        converse(vendor, vendor.standing())
