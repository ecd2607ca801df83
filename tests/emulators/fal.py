"""fal.ai's queue as its documentation has it: submit, status and result, two kinds of errors, signed callbacks."""

import base64
import hashlib
import json
import time
from collections.abc import Iterable
from typing import Any, ClassVar
from urllib.parse import urlsplit

import requests
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.emulators.upstream import SIDE, Ask, Upstream

RATIOS = {"auto", "21:9", "16:9", "3:2", "4:3", "5:4", "1:1", "4:5", "3:4", "2:3", "9:16"}
LIMITS = {"fal-ai/nano-banana": 10, "fal-ai/nano-banana-2": 14, "fal-ai/nano-banana-pro": 14}
MESSAGES = {
    401: "Cannot access application. Authentication is required to access this application.",
    404: "Application not found",
    429: "Too many requests",
}
PLATFORM = {"failed": ("runner_server_error", 500), "canceled": ("client_cancelled", 499)}


class Fal(Upstream):
    """`ended` has the state of the jobs whose end was told, or that somebody canceled."""

    models: ClassVar[frozenset[str]] = frozenset(LIMITS)

    def __init__(self) -> None:
        super().__init__()
        self.ended: dict[str, str] = {}
        self._old_key, self._key = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()

    @property
    def keys_url(self) -> str:
        return f"{self.origin}/.well-known/jwks.json"

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        job = "/{owner}/{alias}/requests/{id}"
        return [
            web.get("/.well-known/jwks.json", self._keys),
            web.get(f"{job}/status", self._status),
            web.get(job, self._result),
            web.put(f"{job}/cancel", self._cancel),
            web.post("/{app:.+}", self._submit),
        ]

    async def _submit(self, request: web.Request) -> web.StreamResponse:
        app, body = request.match_info["app"], await request.json()
        edit = app.endswith("/edit")
        model = app.removesuffix("/edit")
        pictures = body.get("image_urls", []) if edit else []
        ask = Ask(
            model,
            body.get("prompt", ""),
            images=body.get("num_images", 1),
            ratio=body.get("aspect_ratio", "auto" if edit else "1:1"),
            resolution="1K" if model == "fal-ai/nano-banana" else body.get("resolution", "1K"),
            references=len(pictures),
            format=body.get("output_format", "png"),
            raw={"input": body, "fal_webhook": request.query.get("fal_webhook", "")},
            key=request.headers.get("Authorization", "").removeprefix("Key "),
        )
        if fault := _fault(ask, edit):
            return _model_error("value_error", fault)
        return await self.submitted(request, ask)

    def id_of(self, ask: Ask) -> str:
        return f"024ca5b1-45d3-4afd-883e-{int(ask.id):012d}"

    def answer(self, ask: Ask) -> web.StreamResponse:
        return _say(ask, 200, {**self._known(ask), "status": "IN_QUEUE", "queue_position": 0, "logs": None})

    def _known(self, ask: Ask) -> dict[str, Any]:
        """A job lies under its app, also where it was submitted to /edit."""
        url = f"{self.origin}/{ask.model}/requests/{ask.id}"
        return {
            "request_id": ask.id,
            "response_url": url,
            "status_url": f"{url}/status",
            "cancel_url": f"{url}/cancel",
            "metrics": {},
        }

    def _job(self, request: web.Request) -> Ask:
        there = request.match_info
        ask = self.jobs.get(there["id"])
        if request.headers.get("Authorization") != f"Key {self.key}":
            raise web.HTTPUnauthorized(text=json.dumps({"detail": MESSAGES[401]}), content_type="application/json")
        if ask is None or ask.model != f"{there['owner']}/{there['alias']}":
            raise web.HTTPNotFound(text=json.dumps({"detail": "Request not found"}), content_type="application/json")
        return ask

    async def _status(self, request: web.Request) -> web.StreamResponse:
        ask = self._job(request)
        state = self.ended.get(ask.id) or self.state(ask)
        known = {**self._known(ask), "logs": None}
        match state:
            case "broken":
                return web.Response(status=502, text="<html><center>nginx</center></html>", content_type="text/html")
            case "working" if ask.polls == 1:
                return _say(ask, 202, {**known, "status": "IN_QUEUE", "queue_position": 0})
            case "working":
                return _say(ask, 202, {**known, "status": "IN_PROGRESS"})
            case "odd":
                return _say(ask, 202, {**known, "status": "DREAMING"})
        self.ended[ask.id] = state
        if state in PLATFORM:
            known |= {"error": "The request failed", "error_type": PLATFORM[state][0]}
        return _say(ask, 200, {**known, "status": "COMPLETED", "metrics": {"inference_time": 7.9}})

    async def _result(self, request: web.Request) -> web.StreamResponse:
        ask = self._job(request)
        if ask.id not in self.ended:
            return _say(ask, 400, {"detail": "Request is still in progress"})
        status, body = self._outcome(ask)
        return _say(ask, status, body)

    def _outcome(self, ask: Ask) -> tuple[int, dict[str, Any]]:
        state = self.ended.get(ask.id, "done")
        if state in PLATFORM:
            kind, status = PLATFORM[state]
            return status, {"detail": "The request failed", "error_type": kind}
        if state == "refused":
            return 422, _detail("content_policy_violation", "The content was flagged by a content checker.", ask)
        unsaid = dict.fromkeys(["file_name", "file_size", "width", "height"])
        pictures = [{"url": url, "content_type": f"image/{ask.format}", **unsaid} for url in self.urls(ask)]
        return 200, {"images": pictures, "description": ""}

    async def _cancel(self, request: web.Request) -> web.StreamResponse:
        ask = self._job(request)
        if ask.id in self.ended:
            return _say(ask, 400, {"status": "ALREADY_COMPLETED"})
        self.ended[ask.id] = "canceled"
        return _say(ask, 202, {"status": "CANCELLATION_REQUESTED"})

    async def _keys(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"keys": [_jwk(self._old_key), _jwk(self._key)]})

    # -- errors ----------------------------------------------------------------------------------

    def error(self, status: int, ask: Ask | None = None, headers: dict[str, str] | None = None) -> web.Response:
        match status:
            case 400:
                return _model_error("frame_error", "This field is not supported")
            case 500:
                return _platform_error(500, "internal_error", "An unexpected error occurred")
            case 503:
                return _platform_error(503, "runner_scheduling_failure", "No runner could be allocated")
        return web.json_response({"detail": MESSAGES[status]}, status=status, headers=headers)

    def refuse(self, ask: Ask) -> web.Response:
        return _model_error("content_policy_violation", "The content was flagged by a content checker.", ask)

    def invalid(self, ask: Ask) -> web.Response:
        return _model_error("image_too_large", "Image dimensions are too large.", ask)

    # -- callbacks -------------------------------------------------------------------------------

    def callback(self, ask: Ask, forged: str = "") -> tuple[dict[str, str], bytes]:
        """The headers and the body of a job's callback.

        Forged it is not genuine: `key` (another's), `body` (altered on its way), `user` (likewise), `stale`
        (signed ten minutes ago) or `unsigned`.
        """
        status, payload = self._outcome(ask)
        said = {"request_id": ask.id, "gateway_request_id": ask.id, "payload": payload}
        said |= {"status": "OK"} if status == 200 else {"status": "ERROR", "error": f"Unexpected status code: {status}"}
        body = json.dumps(said).encode()
        sent = [ask.id, "user-1", str(round(time.time()) - 600 * (forged == "stale"))]
        message = "\n".join([*sent, hashlib.sha256(body).hexdigest()])
        key = Ed25519PrivateKey.generate() if forged == "key" else self._key
        headers = {
            "X-Fal-Webhook-Request-Id": sent[0],
            "X-Fal-Webhook-User-Id": "user-2" if forged == "user" else sent[1],
            "X-Fal-Webhook-Timestamp": sent[2],
            "X-Fal-Webhook-Signature": key.sign(message.encode()).hex(),
        }
        return {} if forged == "unsigned" else headers, body + b" " * (forged == "body")

    def call_back(self, ask: Ask, forged: str = "") -> int:
        """Posts a job's callback where its submit asked for it, and returns the status it is answered."""
        headers, body = self.callback(ask, forged)
        headers["Content-Type"] = "application/json"
        return requests.post(ask.raw["fal_webhook"], body, headers=headers, timeout=15).status_code


def _fault(ask: Ask, edit: bool) -> str:
    """What the model's schema has against an input."""
    if ask.model not in LIMITS:
        return ""
    if edit and not 1 <= ask.references <= LIMITS[ask.model]:
        return "image_urls is required, with no more pictures than the model takes"
    if urlsplit(ask.raw["fal_webhook"]).scheme not in {"", "http", "https"}:
        return "fal_webhook is not an address"
    fits = ask.ratio in RATIOS and (edit or ask.ratio != "auto" or ask.model.endswith("-2"))
    right = ask.prompt and 1 <= ask.images <= 4 and ask.resolution in {name.upper() for name in SIDE}
    return "" if fits and right and ask.format in {"png", "jpeg", "webp"} else "Input should be what is documented"


def _jwk(key: Ed25519PrivateKey) -> dict[str, str]:
    raw = key.public_key().public_bytes_raw()
    return {"kty": "OKP", "crv": "Ed25519", "x": base64.urlsafe_b64encode(raw).decode().rstrip("=")}


def _detail(kind: str, message: str, ask: Ask | None = None) -> dict[str, Any]:
    """A model's error repeats the input, the prompt with it."""
    error = {"loc": ["body"], "msg": message, "type": kind, "url": f"https://docs.fal.ai/errors#{kind}"}
    return {"detail": [error | {"input": ask.raw["input"]} if ask else error]}


def _model_error(kind: str, message: str, ask: Ask | None = None) -> web.Response:
    return web.json_response(_detail(kind, message, ask), status=422, headers={"x-fal-request-id": "rejected"})


def _platform_error(status: int, kind: str, message: str) -> web.Response:
    headers = {"x-fal-request-id": "rejected", "X-Fal-Error-Type": kind}
    return web.json_response({"detail": message, "error_type": kind}, status=status, headers=headers)


def _say(ask: Ask, status: int, body: Any) -> web.Response:
    return web.json_response(body, status=status, headers={"x-fal-request-id": ask.id})
