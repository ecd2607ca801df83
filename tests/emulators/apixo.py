"""APIXO as its documentation has it: one envelope for everything, jobs that are polled or call back unsigned."""

import json
import time
from collections.abc import Iterable
from typing import Any, ClassVar

import requests
from aiohttp import web

from tests.emulators.upstream import Ask, Upstream

STATES = {"working": "processing", "odd": "dreaming", "failed": "failed", "refused": "failed", "done": "success"}
MESSAGES = {
    401: "Invalid or missing API key",
    402: "Insufficient balance",
    404: "Resource not found",
    429: "Rate limit exceeded",
    500: "Internal server error",
    503: "Model temporarily unavailable",
}
FAILURES = {
    "failed": ("GENERATION_FAILED", "Generation failed"),
    "refused": ("SensitiveContentDetected", "Content flagged as violation"),
}
RATIOS = {"1:1", "4:3", "3:4", "3:2", "2:3", "4:5", "5:4", "9:16", "16:9", "21:9", "auto"}
MOST_PICTURES = {"nano-banana": 5, "nano-banana-2": 14, "nano-banana-pro": 14}


class Apixo(Upstream):
    """`balance` is in dollars. A job in `failures` ends with that code and message."""

    models: ClassVar[frozenset[str]] = frozenset(MOST_PICTURES)
    balance = 74.87

    def __init__(self) -> None:
        super().__init__()
        self.failures = dict(FAILURES)

    @property
    def base_url(self) -> str:
        return f"{self.origin}/api/v1"

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [
            web.post("/api/v1/generateTask/{model}", self._generate),
            web.get("/api/v1/statusTask/{model}", self._status),
            web.get("/api/v1/apikeys/current-balance", self._balance),
        ]

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        given = body["input"]
        ask = Ask(
            request.match_info["model"],
            given["prompt"],
            ratio=given.get("aspect_ratio", ""),
            resolution=given.get("resolution", "1k"),
            references=len(given.get("image_urls", [])),
            format=given.get("output_format", "png"),
            raw=body,
            key=_key(request),
        )
        return await self.submitted(request, ask)

    def _turned_away(self, ask: Ask) -> web.Response | None:
        if turned_away := super()._turned_away(ask):
            return turned_away
        fault = _fault(ask)
        return self._say(400, "Invalid request", {"error": fault}) if fault else None

    def id_of(self, ask: Ask) -> str:
        return f"task_{ask.id.zfill(8)}"

    def answer(self, ask: Ask) -> web.StreamResponse:
        return self._say(200, "success", {"taskId": ask.id})

    async def _status(self, request: web.Request) -> web.StreamResponse:
        if _key(request) != self.key:
            return self.error(401)
        ask = self.jobs.get(request.query["taskId"])
        if ask is None or ask.model != request.match_info["model"]:
            return self.error(404)
        state = self.state(ask)
        if state == "broken":
            return web.Response(status=502, text="Bad gateway")
        return self._say(200, "success", self._record(ask, state))

    def _record(self, ask: Ask, state: str) -> dict[str, Any]:
        now = round(time.time() * 1000)
        record = {"taskId": ask.id, "state": STATES[state], "createTime": now}
        if state == "done":
            result = json.dumps({"resultUrls": self.urls(ask)})
            record |= {"resultJson": result, "completeTime": now, "costTime": 12500}
        if state in self.failures:
            code, message = self.failures[state]
            record |= {"failCode": code, "failMsg": message}
        return record

    def call_back(self, ask: Ask, state: str = "done") -> int:
        """Posts a job's callback where its submit asked for it, and returns the status it is answered."""
        body = {"code": 200, "message": "success", "data": self._record(ask, state)}
        return requests.post(ask.raw["callback_url"], json=body, timeout=15).status_code

    async def _balance(self, request: web.Request) -> web.StreamResponse:
        if _key(request) != self.key:
            return self.error(401)
        return self._say(200, "success", self.balance)

    def error(self, status: int, ask: Ask | None = None, headers: dict[str, str] | None = None) -> web.Response:
        if status == 400:
            return self._say(400, "Invalid request", {"error": "Missing required field: input.style"})
        return self._say(status, MESSAGES[status], headers=headers)

    def refuse(self, ask: Ask) -> web.Response:
        return self._say(403, "Content violates policy")

    def invalid(self, ask: Ask) -> web.Response:
        return self._say(400, "Invalid request", {"error": "IMAGE_TOO_LARGE"})

    def _say(self, code: int, message: str, data: Any = None, headers: dict[str, str] | None = None) -> web.Response:
        body = {"code": code, "message": message} | ({} if data is None else {"data": data})
        return web.json_response(body, status=code, headers=headers)


def _fault(ask: Ask) -> str:
    """What the model's page has against a request."""
    body, given = ask.raw, ask.raw["input"]
    if body["request_type"] == "callback" and not body.get("callback_url"):
        return "Missing required field: callback_url"
    if body.get("provider", "auto") not in {"auto", "value", "official"}:
        return "Invalid field: provider"
    if given["mode"] != ("image-to-image" if ask.references else "text-to-image"):
        return "Invalid field: input.mode"
    if ask.references > MOST_PICTURES[ask.model]:
        return "Invalid field: input.image_urls"
    if ask.ratio not in RATIOS or ask.format not in {"png", "jpeg"}:
        return "Invalid field: input.aspect_ratio or input.output_format"
    if ("resolution" in given) == (ask.model == "nano-banana"):
        return "Invalid field: input.resolution"
    return "" if ask.resolution in {"1k", "2k", "4k"} else "Invalid field: input.resolution"


def _key(request: web.Request) -> str:
    return request.headers.get("Authorization", "").removeprefix("Bearer ")
