"""Replicate as its documentation has it: predictions with one picture each, RFC 7807 errors, signed webhooks."""

import asyncio
import base64
import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import requests
from aiohttp import web
from standardwebhooks import Webhook

from tests.emulators.upstream import Ask, Upstream

RATIOS = {"match_input_image", "1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"}
LIMITS = {"google/nano-banana": 10, "google/nano-banana-2": 14, "google/nano-banana-pro": 14}
DEFAULT_SIZE = {"google/nano-banana-2": "1K", "google/nano-banana-pro": "2K"}
STATUSES = {"working": "processing", "odd": "queued", "refused": "failed", "done": "succeeded"}
OVER = {"succeeded", "failed", "canceled"}
ERRORS = {
    "failed": "Service is temporarily unavailable due to high demand. Please try again later. (E003)",
    "refused": "The input or output was flagged as sensitive. Please try again with different inputs. (E005)",
}
TITLES = {400: "Bad request", 401: "Unauthenticated", 402: "Insufficient credit", 404: "Not found"}
DETAILS = {
    401: "You did not pass a valid authentication token",
    402: "You have insufficient credit to run this model.",
    404: "The requested resource could not be found.",
}
NO_VERSION = "The specified version does not exist (or perhaps you don't have permission to use it?)"


class Replicate(Upstream):
    """`versions` are ids of models; `predictions` what was last told of each job; `page` how many a list holds."""

    models: ClassVar[frozenset[str]] = frozenset(LIMITS)
    versions: ClassVar[dict[str, str]] = {"99256cc418d9": "google/nano-banana-pro"}
    secret: ClassVar[str] = f"whsec_{base64.b64encode(b'the secret of webhooks').decode()}"
    page = 100
    has_credit = True

    def __init__(self) -> None:
        super().__init__()
        self.predictions: dict[str, dict[str, Any]] = {}

    @property
    def base_url(self) -> str:
        return f"{self.origin}/v1"

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [
            web.post("/v1/models/{owner}/{name}/predictions", self._create),
            web.post("/v1/predictions", self._create),
            web.get("/v1/predictions", self._list),
            web.get("/v1/predictions/{id}", self._get),
            web.post("/v1/predictions/{id}/cancel", self._cancel),
            web.get("/v1/account", self._account),
            web.get("/v1/webhooks/default/secret", self._secret),
        ]

    # -- predictions -----------------------------------------------------------------------------

    async def _create(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        ask = self._understood(request, body)
        if not self.has_credit:
            return self.error(402)
        if fault := _fault(ask, body["input"]):
            return self._problem(422, "Input validation failed", f"- input: {fault}\n")
        response = await self.submitted(request, ask)
        seconds = _hold(request)
        return await self._held(ask, seconds) if seconds and response.status == 201 else response

    def _understood(self, request: web.Request, body: dict[str, Any]) -> Ask:
        given, version = body["input"], body.get("version", "")
        named = "{owner}/{name}".format_map(request.match_info) if request.match_info else ""
        model = named or self.versions.get(version.split(":")[-1], "")
        pictures = given.get("image_input", [])
        ratio = given.get("aspect_ratio", "match_input_image")
        return Ask(
            model,
            given.get("prompt", ""),
            ratio="1:1" if ratio == "match_input_image" else ratio,
            resolution=given.get("resolution", DEFAULT_SIZE[model]) if model in DEFAULT_SIZE else "1K",
            references=len(pictures),
            format=given.get("output_format", "jpg"),
            raw=body,
            key=_key(request),
        )

    def id_of(self, ask: Ask) -> str:
        return f"gm3qorzdhgbfurvjtvhg{ask.id:0>6}"

    def answer(self, ask: Ask) -> web.StreamResponse:
        return web.json_response(self.record(ask, "starting"), status=201)

    async def _held(self, ask: Ask, seconds: float) -> web.StreamResponse:
        """`Prefer: wait`: the prediction once it is over, or after that many seconds as if it had just been made."""
        until = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < until:
            prediction = self.told(ask)
            if prediction["status"] in OVER:
                return web.json_response(prediction, status=201)
            await asyncio.sleep(0.05)
        return web.json_response(self.record(ask, "starting"), status=202)

    async def _get(self, request: web.Request) -> web.StreamResponse:
        ask = self.jobs.get(request.match_info["id"])
        if _key(request) != self.key or ask is None:
            return self.error(401 if ask else 404)
        prediction = self.told(ask)
        if prediction["status"] == "broken":
            return web.Response(status=502, text="Bad gateway")
        return web.json_response(prediction)

    async def _cancel(self, request: web.Request) -> web.StreamResponse:
        ask = self.jobs.get(request.match_info["id"])
        if _key(request) != self.key or ask is None:
            return self.error(401 if ask else 404)
        prediction = self.last(ask)
        return web.json_response(prediction if prediction["status"] in OVER else self.record(ask, "canceled"))

    async def _list(self, request: web.Request) -> web.StreamResponse:
        """The newest first, in pages, without counting as a poll."""
        if _key(request) != self.key:
            return self.error(401)
        first = int(request.query.get("cursor", "0"))
        newest = [self.last(ask) for ask in reversed(self.jobs.values())]
        more = f"{self.base_url}/predictions?cursor={first + self.page}" if len(newest) > first + self.page else None
        return web.json_response({"previous": None, "next": more, "results": newest[first : first + self.page]})

    def last(self, ask: Ask) -> dict[str, Any]:
        """The prediction as it was last told."""
        return self.predictions.get(ask.id) or self.record(ask, "starting")

    def told(self, ask: Ask) -> dict[str, Any]:
        """The prediction at this poll. One that is over changes no more."""
        if (prediction := self.last(ask))["status"] in OVER:
            return prediction
        state = self.state(ask)
        return {"status": state} if state == "broken" else self.record(ask, state)

    def state(self, ask: Ask) -> str:
        """A prompt is turned away once the model has seen it, and nothing is billed."""
        return "refused" if ask.fault == "refused" else super().state(ask)

    def record(self, ask: Ask, state: str) -> dict[str, Any]:
        status, now = STATUSES.get(state, state), f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
        here = f"{self.base_url}/predictions/{ask.id}"
        self.predictions[ask.id] = {
            "id": ask.id,
            "model": ask.model,
            "version": ask.raw.get("version", "hidden").split(":")[-1],
            "input": ask.raw["input"],
            "output": next(iter(self.urls(ask)), None) if state == "done" else None,
            "logs": "",
            "error": ERRORS.get(state),
            "status": status,
            "source": "api",
            "data_removed": False,
            "created_at": self.predictions.get(ask.id, {}).get("created_at", now),
            "started_at": None if state == "starting" else now,
            "completed_at": now if status in OVER else None,
            "metrics": {"predict_time": 8.1, "total_time": 8.2} if state == "done" else {},
            "urls": {"get": here, "cancel": f"{here}/cancel"},
        }
        return self.predictions[ask.id]

    # -- account and errors ----------------------------------------------------------------------

    async def _account(self, request: web.Request) -> web.StreamResponse:
        if _key(request) != self.key:
            return self.error(401)
        return web.json_response({"type": "organization", "username": "acme", "name": "Acme", "github_url": None})

    async def _secret(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"key": self.secret}) if _key(request) == self.key else self.error(401)

    def error(self, status: int, ask: Ask | None = None, headers: dict[str, str] | None = None) -> web.Response:
        if status == 429:
            wait = (headers or {}).get("Retry-After", "30")
            detail = f"Request was throttled. Your rate limit resets in ~{wait}s."
            return web.json_response({"detail": detail}, status=429)
        if status == 404 and ask and "version" in ask.raw:
            return self._problem(422, "Invalid version or not permitted", NO_VERSION)
        return self._problem(status, TITLES.get(status, "Server error"), DETAILS.get(status, "Something went wrong."))

    def refuse(self, ask: Ask) -> web.Response:
        ask.id = self.id_of(ask)
        self.jobs[ask.id] = ask
        return web.json_response(self.record(ask, "starting"), status=201)

    def invalid(self, ask: Ask) -> web.Response:
        return self._problem(422, "Input validation failed", "- input.image_input.0: Does not match format 'uri'\n")

    def _problem(self, status: int, title: str, detail: str) -> web.Response:
        body = {"title": title, "detail": detail, "status": status}
        return web.json_response(body, status=status, content_type="application/problem+json")

    # -- webhooks --------------------------------------------------------------------------------

    def callback(self, ask: Ask, forged: str = "") -> tuple[dict[str, str], bytes]:
        """The headers and the body of a prediction's webhook.

        Forged it is not genuine: `key` (another's), `body` and `id` (altered on their way), `stale` (signed
        ten minutes ago), `version` (a signature of another kind) or `unsigned`.
        """
        ask.polls += 4  # by now it is over, whoever has asked
        body = json.dumps(self.told(ask))
        sent = datetime.now(UTC) - timedelta(minutes=10 * (forged == "stale"))
        secret = self.secret if forged != "key" else f"whsec_{base64.b64encode(b'of somebody else').decode()}"
        signature = Webhook(secret).sign("msg_1", sent, body)
        if forged == "version":
            signature = signature.replace("v1,", "v2,")
        headers = {
            "Webhook-Id": "msg_2" if forged == "id" else "msg_1",
            "Webhook-Timestamp": str(int(sent.timestamp())),
            # While a secret is being changed there are two signatures.
            "Webhook-Signature": f"v1,{base64.b64encode(bytes(32)).decode()} {signature}",
        }
        return {} if forged == "unsigned" else headers, body.encode() + b" " * (forged == "body")

    def call_back(self, ask: Ask, forged: str = "") -> int:
        """Posts a prediction's webhook where its submit asked for it, and returns the status it is answered."""
        headers, body = self.callback(ask, forged)
        headers["Content-Type"] = "application/json"
        answer = requests.post(ask.raw["webhook"], body, headers=headers, timeout=15, allow_redirects=False)
        return answer.status_code


def _fault(ask: Ask, given: dict[str, Any]) -> str:
    """What the model's schema has against an input."""
    if ask.model not in LIMITS:
        return ""
    if not ask.prompt:
        return "prompt is required"
    if ask.references > LIMITS[ask.model]:
        return "image_input has too many items"
    if not all(re.match("https?://|data:", url) for url in given.get("image_input", [])):
        return "image_input does not match format 'uri'"
    if given.get("aspect_ratio", "1:1") not in RATIOS or ask.resolution not in {"1K", "2K", "4K"}:
        return "aspect_ratio or resolution is not one of those allowed"
    return "" if ask.format in {"jpg", "png"} else "output_format must be one of jpg, png"


def _hold(request: web.Request) -> float:
    """For how many seconds the answer may be held back."""
    prefer = re.fullmatch(r"wait(?:=(\d+))?", request.headers.get("Prefer", ""))
    return min(60.0, float(prefer[1] or 60)) if prefer else 0.0


def _key(request: web.Request) -> str:
    return request.headers.get("Authorization", "").removeprefix("Bearer ")
