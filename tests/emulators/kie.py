"""kie.ai as its documentation has it: everything asynchronous, and errors as HTTP 200 with another `code`."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterable
from typing import Any, ClassVar

import requests
from aiohttp import web

from tests.emulators.upstream import Ask, Upstream

STATES = {"working": "generating", "odd": "dreaming", "failed": "fail", "refused": "fail", "done": "success"}
MESSAGES = {401: "You do not have access permissions", 404: "The model does not exist", 429: "Too many requests"}

FAILURES = {"failed": ("500", "Internal server error"), "refused": ("400", "Your prompt was flagged as sensitive")}


class Kie(Upstream):
    models: ClassVar[frozenset[str]] = frozenset(
        {"google/nano-banana", "google/nano-banana-edit", "nano-banana-pro", "nano-banana-2"}
    )
    webhook_key = "kie-webhook-key-0123456789"
    credits: float | None = 100.0

    @property
    def base_url(self) -> str:
        return f"{self.origin}/api/v1"

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [
            web.post("/api/v1/jobs/createTask", self._create),
            web.get("/api/v1/jobs/recordInfo", self._info),
            web.get("/api/v1/chat/credit", self._credit),
        ]

    async def _create(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        given = body["input"]
        pictures = given.get("image_urls") or given.get("image_input") or []
        if body["model"].endswith("-edit") and not pictures:
            return self._say(422, "image_urls is required")
        ask = Ask(
            body["model"],
            given["prompt"],
            ratio=given.get("aspect_ratio", "1:1"),
            resolution=given.get("resolution", "1K"),
            references=len(pictures),
            format=given.get("output_format", "png"),
            raw=body,
            key=_key(request),
        )
        return await self.submitted(request, ask)

    def id_of(self, ask: Ask) -> str:
        return f"task_google_{ask.id}"

    def answer(self, ask: Ask) -> web.StreamResponse:
        return self._say(200, "success", {"taskId": ask.id})

    async def _info(self, request: web.Request) -> web.StreamResponse:
        ask = self.jobs.get(request.query["taskId"])
        if ask is None:
            return self._say(404, "recordInfo is null")
        state = self.state(ask)
        if state == "broken":
            return web.Response(status=502, text="Bad gateway")
        return self._say(200, "success", self.record(ask, state))

    def record(self, ask: Ask, state: str) -> dict[str, Any]:
        code, message = FAILURES.get(state, (None, None))
        done = state == "done"
        return {
            "taskId": ask.id,
            "model": ask.model,
            "state": STATES[state],
            "param": json.dumps(ask.raw),
            "resultJson": json.dumps({"resultUrls": self.urls(ask)}) if done else "",
            "failCode": code,
            "failMsg": message,
            "costTime": 8 if done else None,
            "createTime": round(time.time() * 1000),
            "updateTime": round(time.time() * 1000),
        }

    def callback(self, ask: Ask, state: str = "done", forged: str = "") -> tuple[dict[str, str], bytes]:
        """The headers and the body of a job's callback; the signature covers the job's id and the time alone.

        Forged it is not genuine: `key` (another's), `job` (of another job), `stale` (signed ten minutes ago)
        or `unsigned`.
        """
        told = (200, "Playground task completed successfully.") if state == "done" else (501, "Playground task failed.")
        body = json.dumps({"code": told[0], "msg": told[1], "data": self.record(ask, state)}).encode()
        sent = str(round(time.time()) - 600 * (forged == "stale"))
        message = f"{'task_google_other' if forged == 'job' else ask.id}.{sent}"
        key = "another key" if forged == "key" else self.webhook_key
        signature = hmac.digest(key.encode(), message.encode(), hashlib.sha256)
        headers = {"X-Webhook-Timestamp": sent, "X-Webhook-Signature": base64.b64encode(signature).decode()}
        return {} if forged == "unsigned" else headers, body

    def call_back(self, ask: Ask, state: str = "done", forged: str = "") -> int:
        """Posts a job's callback where its submit asked for it, and returns the status it is answered."""
        headers, body = self.callback(ask, state, forged)
        headers["Content-Type"] = "application/json"
        return requests.post(ask.raw["callBackUrl"], body, headers=headers, timeout=15).status_code

    async def _credit(self, request: web.Request) -> web.StreamResponse:
        if _key(request) != self.key:
            return self.error(401)
        return self._say(200, "success", self.credits)

    def error(self, status: int, ask: Ask | None = None, headers: dict[str, str] | None = None) -> web.Response:
        if status in {429, 503, 500}:
            code = {503: 455}.get(status, status)
            return self._say(code, MESSAGES.get(code, "Server error"), headers=headers)
        return self._say({400: 422}.get(status, status), MESSAGES.get(status, "This field is not supported"))

    def refuse(self, ask: Ask) -> web.Response:
        return self._say(400, "Your prompt was flagged by the content policy")

    def invalid(self, ask: Ask) -> web.Response:
        return self._say(422, "image_urls: the file is larger than 10 MB")

    def _say(self, code: int, message: str, data: Any = None, headers: dict[str, str] | None = None) -> web.Response:
        return web.json_response({"code": code, "msg": message, "data": data}, headers=headers)


def _key(request: web.Request) -> str:
    return request.headers.get("Authorization", "").removeprefix("Bearer ")
