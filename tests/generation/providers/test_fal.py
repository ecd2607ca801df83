"""fal.ai: what our adapter sends and makes of the answers, whose callbacks it believes, and the vendor's own client."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import fal_client
import pytest
from fal_client.client import Completed, FalClientHTTPError, Queued, SyncClient

from generation.providers.base import (
    Accepted,
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
from generation.providers.fal import Fal
from tests.emulators.fal import Fal as Upstream
from tests.generation.providers.conversation import answered, converse

JOB = Job("ref-1", "fal-ai/nano-banana", "an egg")
PICTURE = Reference("/nowhere", "image/png", "https://pictures.example/1.png")


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as running:
        yield running


@pytest.fixture
def fal(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> Fal:
    monkeypatch.setattr(Fal, "keys_url", upstream.keys_url)
    return Fal(upstream.base_url, upstream.key)


def polled(fal: Fal, fault: str, polls: int = 1) -> Any:
    """What the last of so many polls says."""
    job = replace(JOB, prompt=f"an egg fault:{fault}")
    accepted = converse(fal, fal.submit(job))
    return [converse(fal, fal.poll(job, accepted.upstream_id)) for _ in range(polls)][-1]


# -- submit ----------------------------------------------------------------------------------------


def test_it_submits_what_the_model_knows(fal: Fal, upstream: Upstream) -> None:
    job = replace(JOB, negative_prompt="hens", images=3, seed=7, resolution="2k", output_format="webp")
    accepted = converse(fal, fal.submit(job))
    assert accepted == Accepted(upstream.asked[0].id)
    assert upstream.asked[0].raw == {
        "input": {
            "prompt": "an egg\n\nAvoid: hens",
            "num_images": 3,
            "output_format": "webp",
            "aspect_ratio": "16:9",
        },
        "fal_webhook": "",
    }


def test_a_larger_model_is_told_the_resolution_and_the_seed(fal: Fal, upstream: Upstream) -> None:
    job = replace(JOB, model="fal-ai/nano-banana-2", resolution="4k", seed=7, aspect_ratio="auto")
    converse(fal, fal.submit(job))
    assert upstream.asked[0].raw["input"] == {
        "prompt": "an egg",
        "num_images": 1,
        "output_format": "png",
        "resolution": "4K",
        "seed": 7,
    }


def test_a_ratio_left_to_the_vendor_is_not_sent(fal: Fal) -> None:
    assert converse(fal, fal.submit(replace(JOB, aspect_ratio="auto"))).upstream_id


def test_an_edit_is_submitted_to_edit_and_polled_at_the_app(fal: Fal, upstream: Upstream) -> None:
    job = replace(JOB, references=(PICTURE, PICTURE))
    accepted = converse(fal, fal.submit(job))
    assert upstream.asked[0].references == 2
    assert converse(fal, fal.poll(job, accepted.upstream_id)) == Pending()
    assert len(converse(fal, fal.poll(job, accepted.upstream_id)).images) == 1


def test_it_says_where_to_call_back(fal: Fal, upstream: Upstream) -> None:
    url = "https://gateway.example/callbacks/1?token=a%26b"
    converse(fal, fal.submit(replace(JOB, callback_url=url)))
    assert upstream.asked[0].raw["fal_webhook"] == url


@pytest.mark.parametrize(
    ("fault", "outcome", "wait", "alarm"),
    [
        ("e429-2", Outcome.RETRYABLE, 2.0, ""),
        ("e503", Outcome.RETRYABLE, None, ""),
        ("refused", Outcome.REFUSED, None, ""),
        ("invalid", Outcome.INVALID, None, ""),
        ("bad-request", Outcome.RETRYABLE, None, "422 frame_error This field is not supported"),
    ],
)
def test_a_job_that_was_not_taken(
    fal: Fal, upstream: Upstream, fault: str, outcome: Outcome, wait: float | None, alarm: str
) -> None:
    rejected = converse(fal, fal.submit(replace(JOB, prompt=f"a secret egg fault:{fault}")))
    assert isinstance(rejected, Rejected)
    assert (rejected.outcome, rejected.retry_after, rejected.alarm) == (outcome, wait, alarm)
    assert "secret" not in rejected.message + rejected.alarm
    assert sum(upstream.billed.values()) == 0


def test_a_customers_fault_is_told_in_our_words(fal: Fal) -> None:
    rejected = converse(fal, fal.submit(replace(JOB, prompt="an egg fault:invalid")))
    assert rejected.message == "a picture in image_urls is too large"


@pytest.mark.parametrize(("status", "reason"), [(403, b'{"detail": "User is locked."}'), (404, b"<html>"), (402, b"")])
def test_a_locked_account_takes_the_route_down(status: int, reason: bytes) -> None:
    rejected = answered(Fal("").submit(JOB), Reply(status, {}, reason))
    assert rejected.outcome == Outcome.ROUTE_DOWN


@pytest.mark.parametrize(("status", "body"), [(500, b"{}"), (503, b"<html>"), (504, b""), (200, b"[]"), (200, b"{}")])
def test_an_answer_that_says_nothing_leaves_a_submit_unknown(status: int, body: bytes) -> None:
    with pytest.raises((Unreadable, LookupError, TypeError)):
        answered(Fal("").submit(JOB), Reply(status, {}, body))


@pytest.mark.parametrize("fault", ["e500", "wrong-json", "odd-json"])
def test_a_job_that_was_billed_is_never_called_rejected(fal: Fal, upstream: Upstream, fault: str) -> None:
    with pytest.raises(Unreadable):
        converse(fal, fal.submit(replace(JOB, prompt=f"an egg fault:{fault}")))
    assert sum(upstream.billed.values()) == 1


# -- poll ------------------------------------------------------------------------------------------


def test_a_job_is_worked_on_then_finished(fal: Fal, upstream: Upstream) -> None:
    job = replace(JOB, images=2)
    accepted = converse(fal, fal.submit(job))
    assert converse(fal, fal.poll(job, accepted.upstream_id)) == Pending()
    urls = upstream.urls(upstream.asked[0])
    assert converse(fal, fal.poll(job, accepted.upstream_id)) == Finished(tuple(Image(url) for url in urls))


@pytest.mark.parametrize(
    ("fault", "polls", "expected"),
    [
        ("stuck", 2, Pending()),
        ("flapping", 1, Pending()),
        ("odd-state", 1, Pending(alarm="unknown state DREAMING")),
        ("empty", 1, Finished(())),
        ("failed", 1, Failed(Outcome.RETRYABLE, "500 runner_server_error The request failed")),
        ("refused-later", 1, Failed(Outcome.REFUSED, "The content was flagged by a content checker.")),
    ],
)
def test_a_poll_says_how_the_job_is_doing(fal: Fal, fault: str, polls: int, expected: object) -> None:
    assert polled(fal, fault, polls) == expected


def test_a_job_nobody_knows_brings_no_image(fal: Fal) -> None:
    assert converse(fal, fal.poll(JOB, "../escape")) == Failed(Outcome.NO_IMAGE, "the job is not known")


COMPLETED = Reply(200, {}, b'{"status": "COMPLETED", "logs": null}')
COMPLETED_BADLY = Reply(200, {}, b'{"status": "COMPLETED", "error": "Timed out", "error_type": "request_timeout"}')


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (422, b'{"detail": [{"type": "no_media_generated", "msg": "none"}]}', Outcome.NO_IMAGE),
        (422, b'{"detail": [{"type": "file_download_error", "msg": "gone"}]}', Outcome.INVALID),
        (504, b'{"detail": [{"type": "generation_timeout", "msg": "slow"}]}', Outcome.RETRYABLE),
        (503, b'{"detail": "gone", "error_type": "runner_disconnected"}', Outcome.RETRYABLE),
    ],
)
def test_a_result_that_is_an_error_ends_the_job(status: int, body: bytes, outcome: Outcome) -> None:
    failed = answered(Fal("").poll(JOB, "1"), COMPLETED, Reply(status, {}, body))
    assert (type(failed), failed.outcome, failed.alarm) == (Failed, outcome, "")


def test_an_error_nobody_documents_is_reported() -> None:
    body = b'{"detail": [{"type": "missing", "msg": "Field required", "input": {"prompt": "a secret"}}]}'
    failed = answered(Fal("").poll(JOB, "1"), COMPLETED, Reply(422, {}, body))
    assert failed == Failed(Outcome.RETRYABLE, "422 missing Field required", alarm="422 missing Field required")


@pytest.mark.parametrize("status", [401, 408, 429, 500, 502, 503])
def test_a_result_out_of_reach_is_asked_for_again(status: int) -> None:
    reply = Reply(status, {"Retry-After": "9"}, b"<html>Bad gateway</html>")
    assert answered(Fal("").poll(JOB, "1"), COMPLETED, reply) == Pending(wait=9.0)
    assert answered(Fal("").poll(JOB, "1"), reply) == Pending(wait=9.0)


@pytest.mark.parametrize("status", [200, 502])
def test_a_completed_job_with_an_error_has_failed_whatever_its_result_says(status: int) -> None:
    failed = answered(Fal("").poll(JOB, "1"), COMPLETED_BADLY, Reply(status, {}, b"{}"))
    assert failed == Failed(Outcome.RETRYABLE, f"{status} request_timeout Timed out")


def test_a_job_can_be_canceled(fal: Fal, upstream: Upstream) -> None:
    accepted = converse(fal, fal.submit(JOB))
    converse(fal, fal.cancel(JOB, accepted.upstream_id))
    assert upstream.ended == {accepted.upstream_id: "canceled"}
    assert converse(fal, fal.poll(JOB, accepted.upstream_id)).outcome == Outcome.RETRYABLE


def test_only_the_larger_models_have_sizes() -> None:
    fast, pro = (Fal("").capabilities(model) for model in ("fal-ai/nano-banana", "fal-ai/nano-banana-pro"))
    assert (fast.resolutions, fast.max_references, fast.images_per_call) == (frozenset({"1k"}), 10, 4)
    assert (pro.resolutions, pro.max_references, pro.images_per_call) == (frozenset({"1k", "2k", "4k"}), 14, 4)


# -- callbacks -------------------------------------------------------------------------------------


def verified(fal: Fal, upstream: Upstream, forged: str = "", late: float = 0.0) -> Any:
    accepted = converse(fal, fal.submit(JOB))
    headers, body = upstream.callback(upstream.jobs[accepted.upstream_id], forged)
    return converse(fal, fal.verified(Callback(headers, body, time.time() + late)))


def test_a_genuine_callback_names_its_job(fal: Fal, upstream: Upstream) -> None:
    assert verified(fal, upstream) == next(iter(upstream.jobs))
    assert verified(fal, upstream, late=290) == list(upstream.jobs)[1]


@pytest.mark.parametrize("forged", ["key", "body", "user", "stale", "unsigned"])
def test_a_forged_callback_is_not_believed(fal: Fal, upstream: Upstream, forged: str) -> None:
    assert verified(fal, upstream, forged) == ""


@pytest.mark.parametrize("late", [-310.0, 310.0])
def test_a_callback_out_of_its_time_is_not_believed(fal: Fal, upstream: Upstream, late: float) -> None:
    assert verified(fal, upstream, late=late) == ""


@pytest.mark.parametrize("signature", ["", "not hexadecimal", "00", "é"])
def test_a_signature_that_is_none_is_not_believed(fal: Fal, upstream: Upstream, signature: str) -> None:
    accepted = converse(fal, fal.submit(JOB))
    headers, body = upstream.callback(upstream.jobs[accepted.upstream_id])
    headers["X-Fal-Webhook-Signature"] = signature
    assert converse(fal, fal.verified(Callback(headers, body, time.time()))) == ""


def test_a_callback_is_posted_where_the_submit_asked(fal: Fal, upstream: Upstream) -> None:
    heard: list[Callback] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.append(Callback(dict(self.headers), body, time.time()))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Not to the terminal."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request, daemon=True)
        thread.start()
        converse(fal, fal.submit(replace(JOB, callback_url=f"http://127.0.0.1:{server.server_port}/fal")))
        assert upstream.call_back(upstream.asked[0]) == 204
        thread.join(5)
    assert converse(fal, fal.verified(heard[0])) == upstream.asked[0].id


# -- the vendor's own client -----------------------------------------------------------------------


@pytest.fixture
def client(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> Iterator[SyncClient]:
    """The client knows https hosts only, so that its address is put in the place where it keeps it."""
    monkeypatch.setattr("fal_client.client.QUEUE_URL_FORMAT", f"{upstream.origin}/")
    client = fal_client.SyncClient(key=upstream.key)
    yield client
    client._client.close()


def test_the_client_submits_and_follows_a_job(client: SyncClient, upstream: Upstream) -> None:
    handle = client.submit("fal-ai/nano-banana", {"prompt": "an egg"}, webhook_url="https://us.example/hook?a=1")
    assert upstream.asked[0].raw["fal_webhook"] == "https://us.example/hook?a=1"
    assert client.status("fal-ai/nano-banana", handle.request_id) == Queued(position=0)
    assert client.status("fal-ai/nano-banana", handle.request_id) == Completed(None, {"inference_time": 7.9})
    result = client.result("fal-ai/nano-banana", handle.request_id)
    assert [image["url"] for image in result["images"]] == upstream.urls(upstream.asked[0])


def test_the_client_edits(client: SyncClient, upstream: Upstream) -> None:
    given = {"prompt": "an egg", "image_urls": [PICTURE.url], "num_images": 4, "resolution": "2K"}
    result = client.subscribe("fal-ai/nano-banana-pro/edit", given, on_queue_update=lambda status: None)
    assert len(result["images"]) == 4
    assert [(ask.references, ask.resolution) for ask in upstream.asked] == [(1, "2K")]


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        ("refused", 422, None),
        ("refused-later", 422, None),
        ("failed", 500, "runner_server_error"),
        ("e503", 503, "runner_scheduling_failure"),
    ],
)
def test_the_client_understands_the_errors(client: SyncClient, fault: str, status: int, kind: str | None) -> None:
    with pytest.raises(FalClientHTTPError) as error:
        client.subscribe("fal-ai/nano-banana", {"prompt": f"an egg fault:{fault}"})
    assert (error.value.status_code, error.value.error_type) == (status, kind)


def test_the_client_is_told_of_a_bad_key(
    client: SyncClient, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream, "key", "another-key-0123456789")
    with pytest.raises(FalClientHTTPError) as error:
        client.submit("fal-ai/nano-banana", {"prompt": "an egg"})
    assert error.value.status_code == 401


def test_the_client_cancels(client: SyncClient) -> None:
    handle = client.submit("fal-ai/nano-banana", {"prompt": "an egg fault:stuck"})
    handle.cancel()
    assert isinstance(handle.status(), Completed)
    with pytest.raises(FalClientHTTPError) as error:
        handle.cancel()
    assert error.value.response.json() == {"status": "ALREADY_COMPLETED"}
