import io
import os
from collections.abc import Generator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from generation.providers.base import (
    Absent,
    Accepted,
    Call,
    Failed,
    Finished,
    Job,
    Outcome,
    Pending,
    Polled,
    Reference,
    Rejected,
    Reply,
    Submitted,
)
from generation.providers.sandbox import Sandbox
from generation.sandbox import magic, upstream
from generation.sandbox.upstream import answer

pytestmark = pytest.mark.once

NOW = 1_800_000_000.0
LATER = NOW + 60
Result = TypeVar("Result")


def job(prompt: str = "an egg", client_ref: str = "purchase-1", **fields: Any) -> Job:
    return Job(
        client_ref=client_ref, model="nanobanana", prompt=prompt, aspect_ratio=fields.pop("ratio", "1:1"), **fields
    )


def drive(steps: Generator[Call, Reply, Result], now: float = NOW) -> Result:
    """Answers every call of an adapter from the sandbox."""
    try:
        call = next(steps)
        while True:
            call = steps.send(answer(call.method, call.path, call.json or {}, now))
    except StopIteration as end:
        result: Result = end.value
        return result


def submit(the_job: Job, sandbox: str = "a") -> Submitted:
    return drive(Sandbox(f"sandbox:{sandbox}").submit(the_job))


def accepted(the_job: Job, sandbox: str = "a") -> str:
    result = submit(the_job, sandbox)
    assert isinstance(result, Accepted)
    return result.upstream_id


def poll(the_job: Job, now: float = LATER, sandbox: str = "a") -> Polled:
    return drive(Sandbox(f"sandbox:{sandbox}").poll(the_job, accepted(the_job, sandbox)), now)


def pictures(the_job: Job, upstream_id: str, now: float = LATER) -> list[bytes]:
    finished = drive(Sandbox("sandbox:a").poll(the_job, upstream_id), now)
    assert isinstance(finished, Finished)
    return [fetch(image.url, now).body for image in finished.images]


def fetch(url: str, now: float = LATER) -> Reply:
    assert url.startswith("sandbox:/images/")
    return answer("GET", url.removeprefix("sandbox:"), {}, now)


def photo(path: Path, size: tuple[int, int] = (1200, 800), colour: str = "tomato", **options: Any) -> Reference:
    Image.new("RGB", size, colour).save(path, **options)
    return Reference(str(path), "image/png", "https://example.com/photo.png")


def noise(path: Path) -> Reference:
    Image.frombytes("RGB", (1000, 1000), os.urandom(3_000_000)).save(path)
    return Reference(str(path), "image/png", "https://example.com/noise.png")


def test_it_works() -> None:
    the_job = job("a cup of tea", images=2, seed=4)
    bodies = pictures(the_job, accepted(the_job))
    assert [Image.open(io.BytesIO(body)).size for body in bodies] == [(1024, 1024)] * 2
    assert bodies[0] != bodies[1]


def test_it_is_queued_then_running_then_done() -> None:
    reply = answer("POST", "/jobs", next(Sandbox("").submit(job())).json, NOW)
    assert 0.6 <= reply.json["ready_in"] <= 1.5
    path = f"/jobs/{reply.json['id']}"
    states = [answer("GET", path, {}, NOW + t).json["status"] for t in (0.1, 0.55, 1.5)]
    assert states == ["queued", "running", "done"]


def test_it_finds_the_job_again_and_ends_in_the_same_picture() -> None:
    the_job = job("a lighthouse")
    first = pictures(the_job, accepted(the_job))
    found = drive(Sandbox("sandbox:a").look_up(the_job), LATER)
    assert isinstance(found, Accepted)
    assert pictures(the_job, found.upstream_id, LATER + 60) == first


@pytest.mark.parametrize("word", ["429", "moderation"])
def test_it_never_finds_a_job_it_did_not_take(word: str) -> None:
    assert drive(Sandbox("sandbox:a").look_up(job(f"sandbox:{word}"))) == Absent()


def test_it_fetches_no_picture_before_it_is_ready() -> None:
    the_job = job()
    path = f"/images/{accepted(the_job)}/0"
    assert [answer("GET", path, {}, now).status for now in (NOW, LATER)] == [404, 200]


@pytest.mark.parametrize("index", ["1", "-1", "x", "²", "99999999999999999999"])
def test_it_rejects_an_index_outside_the_job(index: str) -> None:
    assert answer("GET", f"/images/{accepted(job())}/{index}", {}, LATER).status == 404


@given(token=st.text(max_size=60))
def test_it_rejects_an_id_that_is_not_its_own(token: str) -> None:
    assert upstream.unseal(token) is None


@settings(max_examples=30, deadline=None)
@given(where=st.integers(0), letter=st.sampled_from("AbC1-_"))
def test_it_rejects_an_id_with_a_changed_letter(where: int, letter: str) -> None:
    token = upstream.seal({"prompt": "an egg"})
    where %= len(token) - 1  # the last letter also carries padding
    changed = token[:where] + letter + token[where + 1 :]
    assert (upstream.unseal(changed) is None) == (changed != token)


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/jobs/x"), ("POST", "/jobs/x/cancel"), ("PUT", "/jobs"), ("GET", "/a/b/c")],
)
def test_it_answers_404_elsewhere(method: str, path: str) -> None:
    assert answer(method, path, {}).status == 404


def test_it_cancels_until_it_answers() -> None:
    path = f"/jobs/{accepted(job())}/cancel"
    assert [answer("POST", path, {}, now).status for now in (NOW, LATER)] == [200, 409]
    assert drive(Sandbox("sandbox:a").cancel(job(), accepted(job()))) is None


def test_fail() -> None:
    for sandbox in ("a", "b"):
        assert poll(job("x Sandbox:FAIL, y"), sandbox=sandbox) == Failed(
            Outcome.RETRYABLE, "the sandbox was asked to fail"
        )


def test_moderation() -> None:
    for sandbox in ("a", "b"):
        assert submit(job("sandbox:moderation"), sandbox) == Rejected(
            Outcome.REFUSED, "prompt contains prohibited content"
        )


def test_timeout() -> None:
    assert poll(job("sandbox:timeout"), NOW + 10_000) == Pending()


def test_429_is_served_by_the_second_sandbox() -> None:
    assert submit(job("sandbox:429")) == Rejected(Outcome.RETRYABLE, "too many requests", retry_after=2.0)
    assert isinstance(poll(job("sandbox:429"), sandbox="b"), Finished)


def test_slow() -> None:
    assert poll(job("sandbox:slow=20"), NOW + 19.9) == Pending()
    assert isinstance(poll(job("sandbox:slow=20."), NOW + 20), Finished)


def test_flaky_fails_as_often_as_asked_on_the_first_sandbox() -> None:
    jobs = [job("sandbox:flaky=0.3", f"purchase-{i}") for i in range(300)]
    failed = [isinstance(poll(each), Failed) for each in jobs]
    assert 60 < sum(failed) < 120
    assert failed == [isinstance(poll(each), Failed) for each in jobs]
    assert all(isinstance(poll(each, sandbox="b"), Finished) for each in jobs)


@pytest.mark.parametrize(("asked", "delivered"), [(1, 1), (2, 1), (3, 1), (4, 2)])
def test_partial(asked: int, delivered: int) -> None:
    finished = poll(job("sandbox:partial", images=asked))
    assert isinstance(finished, Finished)
    assert len(finished.images) == delivered


def test_badimage() -> None:
    the_job = job("sandbox:badimage")
    finished = poll(the_job)
    assert isinstance(finished, Finished)
    reply = fetch(finished.images[0].url)
    assert (reply.status, reply.headers["Content-Type"]) == (200, "image/png")
    with pytest.raises(OSError, match="cannot identify"):
        Image.open(io.BytesIO(reply.body))


@pytest.mark.parametrize(
    ("prompt", "slow", "flaky"),
    [
        ("sandbox:slow=abc sandbox:flaky=9", None, 1.0),
        ("sandbox:slow=-1 sandbox:flaky=-1", None, 0.0),
        ("sandbox:slow= sandbox:flaky=nan", None, 0.0),
        ("sandbox:slow=" + "9" * 1900, 3600.0, 0.0),
        ("sandbox:slow=1e9 sandbox:failure sandbox:4290", None, 0.0),
    ],
)
def test_malformed_magic_is_ignored_or_cut(prompt: str, slow: float | None, flaky: float) -> None:
    assert magic.read(prompt) == magic.Magic(frozenset(), slow, flaky)


@pytest.mark.parametrize(
    "fields",
    [{"ratio": "0:1"}, {"ratio": "1:40"}, {"resolution": "8k"}, {"output_format": "gif"}, {"images": 5}, {"images": 0}],
)
def test_it_rejects_what_it_cannot_draw(fields: dict[str, Any]) -> None:
    result = submit(job(**fields))
    assert isinstance(result, Rejected)
    assert result.outcome == Outcome.INVALID


def test_it_draws_references_after_their_files_are_gone(tmp_path: Path) -> None:
    the_job = job("make it blue", ratio="auto", references=(photo(tmp_path / "a.png"),))
    upstream_id = accepted(the_job)
    (tmp_path / "a.png").unlink()
    (body,) = pictures(the_job, upstream_id)
    width, height = Image.open(io.BytesIO(body)).size
    assert abs(width / height - 1.5) < 0.015


def test_a_look_up_without_the_files_finds_nothing(tmp_path: Path) -> None:
    the_job = job(references=(photo(tmp_path / "a.png"),))
    accepted(the_job)
    (tmp_path / "a.png").unlink()
    assert drive(Sandbox("sandbox:a").look_up(the_job)) == Absent()


@pytest.mark.parametrize("count", [1, 2, 4, 5, 9])
def test_an_id_stays_small(tmp_path: Path, count: int) -> None:
    references = tuple(noise(tmp_path / f"{i}.png") for i in range(count))
    prompt = "".join(chr(0x4E00 + (i * 7919) % 20000) for i in range(2000))
    assert len(accepted(job(prompt, references=references))) < 30_000
    assert len(accepted(job("make it night", references=references))) < 24_000


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG"])
def test_it_reads_the_formats_it_takes(tmp_path: Path, kind: str) -> None:
    assert isinstance(submit(job(references=(photo(tmp_path / "a", format=kind),))), Accepted)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16", "CMYK"])
def test_it_reads_every_kind_of_pixel(tmp_path: Path, mode: str) -> None:
    path, kind = tmp_path / "a", "JPEG" if mode == "CMYK" else "PNG"
    Image.new("L", (300, 200)).convert(mode).save(path, kind)
    assert accepted(job(ratio="auto", references=(Reference(str(path), "", ""),)))


def test_auto_follows_how_the_camera_was_held(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn right
    the_job = job(ratio="auto", references=(photo(tmp_path / "a.jpg", (1600, 900), exif=exif),))
    opened = upstream.unseal(accepted(the_job))
    assert opened is not None
    assert opened["aspect_ratio"] == "900:1600"


@pytest.mark.parametrize("size", [(4000, 20), (1, 1)])
def test_auto_is_square_where_it_cannot_follow(tmp_path: Path, size: tuple[int, int]) -> None:
    opened = upstream.unseal(accepted(job(ratio="auto", references=(photo(tmp_path / "a.png", size),))))
    assert opened is not None
    assert opened["aspect_ratio"] == "1:1"


@pytest.mark.parametrize("body", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n" + b"\0" * 40, b"RIFF\0\0\0\0WEBPVP8 "])
def test_it_rejects_a_reference_that_is_no_picture(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "a.png").write_bytes(body)
    result = submit(job(references=(Reference(str(tmp_path / "a.png"), "image/png", ""),)))
    assert result == Rejected(Outcome.INVALID, "a reference is not a readable picture")


@settings(max_examples=40, deadline=None)
@given(prompt=st.text(max_size=300), seed=st.none() | st.integers(), images=st.integers(1, 4))
def test_any_prompt_arrives(prompt: str, seed: int | None, images: int) -> None:
    finished = poll(job(prompt, seed=seed, images=images))
    assert isinstance(finished, Finished)
    assert len(finished.images) == images
