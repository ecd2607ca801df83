"""nananobanana.com: refusals that are paid, resolutions in names, answers that come at once."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from generation.models import Attempt, Purchase, Route, Task
from generation.providers.base import (
    Accepted,
    BadCredential,
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
from generation.providers.nananobanana import Nananobanana
from tests.customer import Customer
from tests.emulators.nananobanana import MODELS
from tests.emulators.nananobanana import Nananobanana as Upstream
from tests.generation.conftest import ended
from tests.generation.providers.conversation import answered, converse, says

JOB = Job("ref-1", "nano-banana", "an egg")
PICTURE = Reference("/nowhere", "image/png", "https://pictures.example/1.png")


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as running:
        yield running


@pytest.fixture
def vendor(upstream: Upstream) -> Nananobanana:
    return Nananobanana(upstream.base_url, upstream.key)


def submitted(vendor: Nananobanana, **fields: Any) -> Any:
    return converse(vendor, vendor.submit(replace(JOB, **fields)))


def polled(vendor: Nananobanana, fault: str) -> Any:
    accepted = submitted(vendor, prompt=f"an egg fault:{fault}")
    return converse(vendor, vendor.poll(JOB, accepted.upstream_id))


def reply_to_submit(reply: Reply) -> Any:
    return answered(Nananobanana("").submit(JOB), reply)


def reply_to_poll(reply: Reply) -> Any:
    return answered(Nananobanana("").poll(JOB, "clxx1"), reply)


# -- submit ----------------------------------------------------------------------------------------


def test_it_says_what_is_wanted(vendor: Nananobanana, upstream: Upstream) -> None:
    assert submitted(vendor, negative_prompt="chickens", references=(PICTURE,)) == Accepted("clxx0")
    assert upstream.asked[0].raw == {
        "prompt": "an egg\n\nAvoid: chickens",
        "selectedModel": "nano-banana",
        "aspectRatio": "16:9",
        "mode": "async",
        "referenceImageUrls": [PICTURE.url],
    }


def test_it_leaves_the_shape_to_the_model(vendor: Nananobanana, upstream: Upstream) -> None:
    submitted(vendor, aspect_ratio="auto")
    assert upstream.asked[0].raw["aspectRatio"] == "default"


def test_an_ampersand_in_a_models_name_survives(vendor: Nananobanana, upstream: Upstream) -> None:
    assert submitted(vendor, model="nanobanan2&pro") == Accepted("clxx0")
    assert upstream.asked[0].model == "nanobanan2&pro"


def test_it_understands_an_answer_with_pictures(vendor: Nananobanana, upstream: Upstream) -> None:
    finished = submitted(vendor, model="seedream-5.0-2k")
    assert finished == Finished((Image(f"{upstream.origin}/files/clxx0/0.png"),))


def test_a_refusal_is_answered_with_200_and_was_paid(vendor: Nananobanana, upstream: Upstream) -> None:
    assert submitted(vendor, prompt="an egg fault:refused") == Failed(Outcome.REFUSED, "Content safety check failed")
    assert upstream.left == 99


def test_a_failure_without_a_warning_may_have_been_paid() -> None:
    reply = says(200, {"success": False, "generationId": "clxx0", "message": "No result"})
    assert reply_to_submit(reply) == Failed(Outcome.RETRYABLE, "No result")


def test_a_busy_server_gives_the_credits_back(vendor: Nananobanana, upstream: Upstream) -> None:
    busy = "Server is busy, too many concurrent tasks. Please retry later."
    assert submitted(vendor, prompt="an egg fault:e503") == Rejected(Outcome.RETRYABLE, busy)
    assert upstream.left == 100


def test_a_503_of_somebody_elses_says_nothing() -> None:
    with pytest.raises(Unreadable):
        reply_to_submit(Reply(503, {}, b"<html>upstream connect error</html>"))


def test_a_throttle_names_the_wait(vendor: Nananobanana) -> None:
    throttled = submitted(vendor, prompt="an egg fault:e429-2")
    assert throttled == Rejected(Outcome.RETRYABLE, "Too many requests", retry_after=2.0)


def test_an_empty_account_is_a_route_that_is_down(vendor: Nananobanana, upstream: Upstream) -> None:
    upstream.credits = 0
    assert submitted(vendor) == Rejected(Outcome.ROUTE_DOWN, "402 Insufficient credits")


def test_an_account_without_access_is_a_route_that_is_down(vendor: Nananobanana, upstream: Upstream) -> None:
    upstream.has_access = False
    assert submitted(vendor) == Rejected(Outcome.ROUTE_DOWN, "403 API access not enabled")


def test_an_unknown_model_is_a_route_that_is_down(vendor: Nananobanana) -> None:
    assert submitted(vendor, model="nano-banana-9") == Rejected(Outcome.ROUTE_DOWN, "400 Model not found")


def test_what_a_model_cannot_do_takes_no_route_down() -> None:
    words = "This model does not support reference images"
    expected = Rejected(Outcome.RETRYABLE, words, alarm=f"status 400: {words}")
    assert reply_to_submit(says(400, {"error": words})) == expected


def test_a_request_the_vendor_finds_wrong_is_reported(vendor: Nananobanana) -> None:
    words = "Invalid request parameters"
    expected = Rejected(Outcome.RETRYABLE, words, alarm=f"status 400: {words}")
    assert submitted(vendor, prompt="an egg fault:bad-request") == expected


@pytest.mark.parametrize("body", [{}, {"success": True}, {"success": "yes", "generationId": "clxx0"}, [], None])
def test_an_answer_that_says_nothing_is_unreadable(body: object) -> None:
    with pytest.raises(Unreadable):
        reply_to_submit(says(200, body))


@pytest.mark.parametrize("fault", ["e500", "wrong-json", "odd-json"])
def test_a_job_that_was_billed_is_never_called_rejected(vendor: Nananobanana, upstream: Upstream, fault: str) -> None:
    with pytest.raises(Unreadable):
        submitted(vendor, prompt=f"an egg fault:{fault}")
    assert upstream.left == 99


# -- poll ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("stuck", Pending()),
        ("flapping", Pending()),
        ("odd-state", Pending(alarm="unknown state dreaming")),
        ("empty", Finished(())),
        ("failed", Failed(Outcome.RETRYABLE, "Generation failed due to server error")),
        ("refused-later", Failed(Outcome.REFUSED, "Content safety check failed")),
    ],
)
def test_a_poll_says_how_the_job_is_doing(vendor: Nananobanana, fault: str, expected: object) -> None:
    assert polled(vendor, fault) == expected


def test_a_job_is_worked_on_then_finished(vendor: Nananobanana, upstream: Upstream) -> None:
    submitted(vendor)
    assert converse(vendor, vendor.poll(JOB, "clxx0")) == Pending()
    finished = converse(vendor, vendor.poll(JOB, "clxx0"))
    assert finished == Finished((Image(f"{upstream.origin}/files/clxx0/0.png"),))


def test_a_job_nobody_knows_brings_no_image(vendor: Nananobanana) -> None:
    assert converse(vendor, vendor.poll(JOB, "clxx&9")) == Failed(Outcome.NO_IMAGE, "the job is not known")


def test_a_throttled_poll_waits() -> None:
    assert reply_to_poll(Reply(429, {"Retry-After": "7"}, b"")) == Pending(wait=7.0)


def test_a_completed_job_without_pictures_is_finished() -> None:
    reply = says(200, {"data": {"processingStatus": "completed", "outputImageUrls": None}})
    assert reply_to_poll(reply) == Finished(())


# -- capabilities and standing ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "resolution"),
    [("nano-banana", "1k"), ("nanobanan-2", "1k"), ("nanobanan2&pro-2k", "2k"), ("nanobanan-2-4k", "4k")],
)
def test_the_name_of_a_model_has_its_resolution(model: str, resolution: str) -> None:
    assert Nananobanana("").capabilities(model).resolutions == {resolution}


def test_it_reads_the_models_and_the_credits(vendor: Nananobanana) -> None:
    submitted(vendor, references=(PICTURE, PICTURE))
    standing = converse(vendor, vendor.standing())
    assert (standing.models, standing.balance) == (frozenset(MODELS), Decimal(98))


def test_a_credential_nobody_knows_is_bad(upstream: Upstream) -> None:
    stranger = Nananobanana(upstream.base_url, "nb_of_nobody")
    with pytest.raises(BadCredential):
        converse(stranger, stranger.standing())


# -- from a customer's request ---------------------------------------------------------------------

Sell = Callable[..., Route]


@pytest.mark.django_db(transaction=True)
def test_a_4k_picture_comes_from_the_model_of_that_name(
    upstream: Upstream, sell: Sell, customer: Customer, engine: object
) -> None:
    sell(upstream, "nananobanana", "nanobanan2&pro", model="nanobanana-pro")
    sell(upstream, "nananobanana", "nanobanan-2-4k", model="nanobanana-pro")
    answer = customer.generate(model="nanobanana-pro", resolution="4k")
    assert ended(Task.objects.get(pk=answer.data["id"])).status == "completed"
    assert [ask.model for ask in upstream.asked] == ["nanobanan-2-4k"]


@pytest.mark.django_db(transaction=True)
def test_a_paid_refusal_costs_us_and_not_the_customer(
    upstream: Upstream, sell: Sell, customer: Customer, engine: object
) -> None:
    sell(upstream, "nananobanana", "nano-banana")
    answer = customer.generate(prompt="an egg fault:refused")
    task = ended(Task.objects.get(pk=answer.data["id"]))
    assert (task.status, task.cost) == ("failed", 0)
    assert Attempt.objects.get().outcome == "refused"
    assert (Purchase.objects.get().state, Purchase.objects.get().cost) == ("failed", 5000)
