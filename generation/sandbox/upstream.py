"""The sandbox's HTTP API, as a function. It keeps no state: a job's id is the job.

    POST /jobs               201 {"id", "ready_in"} | 403 refused | 422 invalid | 429 busy
    GET  /jobs               the same job and client_ref: 200 {"id", "ready_in"} | 404 it was never taken
    GET  /jobs/{id}          200 {"status": queued|running|failed|done, "images"?: [path], "error"?: {"message"}} | 404
    POST /jobs/{id}/cancel   200 {"status": "canceled"} | 409 it has ended | 404
    GET  /images/{id}/{n}    200 the picture, drawn now | 404

A job body is {"sandbox": "a"|"b", "client_ref", "model", "prompt", "negative_prompt", "aspect_ratio", "resolution",
"output_format", "images", "seed", "references": [{"path", "content_type"}]}. An error body is
{"error": {"code", "message"}}. A look-up starts the waiting anew and ends in the same pictures.
"""

import base64
import binascii
import json
import time
import zlib
from collections.abc import Mapping
from hashlib import blake2s
from typing import Any

import orjson

from generation.providers.base import Reply
from generation.sandbox import art, magic
from generation.sandbox.thumbnail import thumbnails

QUICKEST, LONGER = 0.6, 0.9  # seconds: a job takes QUICKEST and up to LONGER more
MOST_IMAGES = 4
MOST_REFERENCES = 9
SEAL = b"eggapi sandbox"
PICTURE = ("model", "prompt", "negative_prompt", "aspect_ratio", "resolution", "output_format", "seed")
Json = dict[str, Any]


class _Answer(Exception):
    """An answer that ends the request early."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def answer(method: str, path: str, body: Mapping[str, Any], now: float | None = None) -> Reply:
    """Answers one request; `now` is the Unix time, the clock's where it is not given."""
    now = time.time() if now is None else now
    try:
        match method, path.strip("/").split("/"):
            case "POST", ["jobs"]:
                return _submit(body, now)
            case "GET", ["jobs"]:
                return _look_up(body, now)
            case "GET", ["jobs", token]:
                return _status(token, now)
            case "POST", ["jobs", token, "cancel"]:
                return _cancel(token, now)
            case "GET", ["images", token, index]:
                return _image(token, index, now)
    except _Answer as early:
        return early.reply
    return _error(404, "not_found", "no such address")


def _submit(body: Mapping[str, Any], now: float) -> Reply:
    _turn_away(body)
    return _taken(201, body, now)


def _look_up(body: Mapping[str, Any], now: float) -> Reply:
    """A job that submit would not have taken was never taken."""
    try:
        _turn_away(body)
        return _taken(200, body, now)
    except _Answer:
        return _error(404, "not_found", "no job with this client_ref")


def _turn_away(body: Mapping[str, Any]) -> None:
    """Raises the answer to a job that is not taken."""
    spell = magic.read(body["prompt"])
    if "429" in spell.words and body["sandbox"] != "b":
        raise _Answer(_error(429, "busy", "too many requests", {"Retry-After": "2"}))
    if "moderation" in spell.words:
        raise _Answer(_error(403, "refused", "prompt contains prohibited content"))
    if body["resolution"] not in art.SCALES or body["output_format"] not in art.FORMATS:
        raise _Answer(_error(422, "invalid", "unknown resolution or output format"))
    if not 1 <= body["images"] <= MOST_IMAGES or len(body["references"]) > MOST_REFERENCES:
        raise _Answer(_error(422, "invalid", "too many images or references"))


def _taken(status: int, body: Mapping[str, Any], now: float) -> Reply:
    spell = magic.read(body["prompt"])
    ready_in = QUICKEST + LONGER * _chance(body["client_ref"], "delay") if spell.slow is None else spell.slow
    references, own_ratio = _references(body)
    job = {key: body[key] for key in PICTURE} | {
        "aspect_ratio": _ratio(body["aspect_ratio"], own_ratio),
        "references": references,
        "client_ref": body["client_ref"],
        "images": max(1, body["images"] // 2) if "partial" in spell.words else body["images"],
        "fate": _fate(body, spell),
        "taken_at": now,
        "ready_at": now + ready_in,
    }
    return _json(status, {"id": seal(job), "ready_in": round(ready_in, 3)})


def _fate(body: Mapping[str, Any], spell: magic.Magic) -> str:
    if "timeout" in spell.words:
        return "endless"
    flaky = 0.0 if body["sandbox"] == "b" else spell.flaky
    if "fail" in spell.words or _chance(body["client_ref"], "flaky") < flaky:
        return "failed"
    return "bad" if "badimage" in spell.words else "good"


def _chance(client_ref: str, what: str) -> float:
    """A number in 0..1 that a purchase draws once and for all."""
    return int.from_bytes(blake2s(f"{what} {client_ref}".encode(), digest_size=4).digest()) / 2**32


def _references(body: Mapping[str, Any]) -> tuple[list[str], str]:
    """Thumbnails in base64 and the ratio of the first, "1:1" without any."""
    paths = [reference["path"] for reference in body["references"]]
    if not paths:
        return [], "1:1"
    try:
        small, ratio = thumbnails(paths)
    except (OSError, ValueError) as error:
        raise _Answer(_error(422, "invalid", "a reference is not a readable picture")) from error
    return [base64.b64encode(picture).decode() for picture in small], ratio


def _ratio(asked: str, own: str) -> str:
    try:
        if asked != "auto":
            art.ratio(asked)
            return asked
    except ValueError as error:
        raise _Answer(_error(422, "invalid", str(error))) from error
    try:
        art.ratio(own)
    except ValueError:
        return "1:1"
    return own


def _status(token: str, now: float) -> Reply:
    job = _opened(token)
    state = _state(job, now)
    if state == "failed":
        return _json(200, {"status": state, "error": {"message": "the sandbox was asked to fail"}})
    if state == "done":
        return _json(200, {"status": state, "images": [f"/images/{token}/{i}" for i in range(job["images"])]})
    return _json(200, {"status": state})


def _state(job: Json, now: float) -> str:
    if now < job["ready_at"]:
        return "queued" if now < (job["taken_at"] * 2 + job["ready_at"]) / 3 else "running"
    return {"endless": "running", "failed": "failed"}.get(job["fate"], "done")


def _cancel(token: str, now: float) -> Reply:
    if _state(_opened(token), now) in {"done", "failed"}:
        return _error(409, "ended", "the job has ended")
    return _json(200, {"status": "canceled"})


def _image(token: str, index: str, now: float) -> Reply:
    job = _opened(token)
    if _state(job, now) != "done" or not index.isdecimal() or int(index) >= job["images"]:
        raise _Answer(_error(404, "not_found", "no such image"))
    headers = {"Content-Type": f"image/{job['output_format']}"}
    if job["fate"] == "bad":
        return Reply(200, headers, b"These bytes are not an image.")
    picture = art.Picture(
        **{key: job[key] for key in PICTURE},
        index=int(index),
        references=tuple(base64.b64decode(reference) for reference in job["references"]),
    )
    return Reply(200, headers, art.render(picture))


def seal(job: Json) -> str:
    """The id of a job: the job itself, compressed, with a checksum."""
    packed = zlib.compress(json.dumps(job, separators=(",", ":")).encode(), 9)
    return base64.urlsafe_b64encode(_checksum(packed) + packed).decode().rstrip("=")


def unseal(token: str) -> Json | None:
    """The job of an id; None where the id is not one of ours."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    check, packed = raw[:6], raw[6:]
    if check != _checksum(packed):
        return None
    job: Json = json.loads(zlib.decompress(packed))
    return job


def _checksum(packed: bytes) -> bytes:
    return blake2s(packed, digest_size=6, key=SEAL).digest()


def _opened(token: str) -> Json:
    job = unseal(token)
    if job is None:
        raise _Answer(_error(404, "not_found", "no such job"))
    return job


def _json(status: int, body: Json, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, {"Content-Type": "application/json", **(headers or {})}, orjson.dumps(body))


def _error(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Reply:
    return _json(status, {"error": {"code": code, "message": message}}, headers)
