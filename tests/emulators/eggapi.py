"""Another EggAPI as its documentation has it: one envelope, named errors, tasks to be polled, prices in text."""

import json
import time
from collections.abc import Iterable
from typing import Any, ClassVar

from aiohttp import web

from tests.emulators.upstream import Ask, Upstream
from webhooks import signing

SECRET = "whsec_ZW11bGF0b3Igc2VjcmV0LCAzMiBieXRlcyBsb25nISE="
AT = "2026-05-08T10:30:00.123Z"
PRICES = {"nanobanana": {"1k": 10_000}, "nanobanana-pro": {"1k": 16_000, "2k": 16_000, "4k": 32_000}}
STATES = {"working": "processing", "odd": "dreaming", "failed": "failed", "refused": "failed", "done": "completed"}
REASONS = {
    "failed": "No provider could complete this request.",
    "refused": "Content moderation: prompt contains prohibited content",
}
ERRORS = {
    400: ("VALIDATION_ERROR", "aspect_ratio: must be one of 16:9, 9:16"),
    401: ("UNAUTHORIZED", "Invalid API key"),
    404: ("NOT_FOUND", "There is no such task."),
    429: ("RATE_LIMITED", "Too many requests."),
    500: ("INTERNAL_ERROR", "Something went wrong on our side. Nothing was charged."),
    503: ("SERVICE_UNAVAILABLE", "No provider serves nanobanana at the moment."),
}


class EggAPI(Upstream):
    """`available` is the balance, as text. `is_old`: the public EggAPI, without addresses for models and balance."""

    models: ClassVar[frozenset[str]] = frozenset(PRICES)
    available = "$99.9900"
    is_old = False

    @property
    def base_url(self) -> str:
        return f"{self.origin}/v1"

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [
            web.post("/v1/generate", self._generate),
            web.get("/v1/tasks/{id}", self._task),
            web.get("/v1/models", self._models),
            web.get("/v1/balance", self._balance),
        ]

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        ask = Ask(
            body["model"],
            body["prompt"],
            images=body.get("num_outputs", 1),
            ratio=body.get("aspect_ratio", "16:9"),
            resolution=body.get("resolution", "1k"),
            references=len(body.get("image_urls", ())),
            raw={"body": body, "key": request.headers.get("Idempotency-Key", "")},
            key=_key(request),
        )
        if fault := _fault(ask):
            return _refusal(400, "VALIDATION_ERROR", f"{fault}: is not right", {fault: "is not right"})
        return await self.submitted(request, ask)

    def id_of(self, ask: Ask) -> str:
        return f"gen_{int(ask.id):024d}"

    def answer(self, ask: Ask) -> web.StreamResponse:
        return _say({**_known(ask), "status": "pending", "cost": "$0.00", "created_at": AT}, status=202)

    async def _task(self, request: web.Request) -> web.StreamResponse:
        ask = self.jobs.get(request.match_info["id"])
        if _key(request) != self.key:
            return self.error(401)
        if ask is None:
            return self.error(404)
        state = self.state(ask)
        if state == "broken":
            return _refusal(502, "UPSTREAM_ERROR", "The provider did not answer as it should.")
        return _say(self.record(ask, state))

    def record(self, ask: Ask, state: str) -> dict[str, Any]:
        """A task; what is unset is left out."""
        urls = self.urls(ask) if state == "done" else []
        task = _known(ask) | {"status": STATES[state], "cost": "$0.00", "created_at": AT, "started_at": AT}
        if urls:
            task |= {"output": {"url": urls[0], "urls": urls}, "cost": _dollars(ask, len(urls))}
        if state in REASONS:
            task["error"] = REASONS[state]
        return task | ({"completed_at": AT} if state in {*REASONS, "done"} else {})

    async def _models(self, request: web.Request) -> web.StreamResponse:
        return self.error(404) if self.is_old else _say([{"id": name} for name in sorted(self.models)])

    async def _balance(self, request: web.Request) -> web.StreamResponse:
        if self.is_old:
            return self.error(404)
        if _key(request) != self.key:
            return self.error(401)
        return _say({"mode": "live", "available": self.available, "held": "$0.00"})

    def error(self, status: int, ask: Ask | None = None, headers: dict[str, str] | None = None) -> web.Response:
        if status == 404 and ask:
            return _refusal(400, "VALIDATION_ERROR", "model: must be one of ...", {"model": "must be one of ..."})
        code, message = ERRORS[status]
        return _refusal(status, code, message, headers=headers)

    def refuse(self, ask: Ask) -> web.Response:
        """Here a prompt is refused only once the task is worked on, so this one is taken."""
        ask.faults = {"fault": "refused-later"}
        ask.id = self.id_of(ask)
        self.jobs[ask.id] = ask
        return _say({**_known(ask), "status": "pending", "cost": "$0.00", "created_at": AT}, status=202)

    def invalid(self, ask: Ask) -> web.Response:
        return self.error(400)

    def callback(self, ask: Ask, state: str = "done", age: int = 0) -> tuple[dict[str, str], bytes]:
        """The headers and the body of a task's webhook, signed `age` seconds ago."""
        task = self.record(ask, state)
        told = {"event": f"task.{task['status']}", "task_id": ask.id, "status": task["status"], "model": ask.model}
        told |= {"output": task.get("output"), "error": task.get("error"), "cost": "0.010000", "timestamp": 1}
        body = json.dumps(told).encode()
        return signing.headers("msg_1", body, round(time.time()) - age, [SECRET]), body


def _fault(ask: Ask) -> str:
    """The field that another EggAPI has something against."""
    rules = {
        "prompt": 1 <= len(ask.prompt) <= 2000,
        "aspect_ratio": ask.ratio in {"16:9", "9:16"},
        "num_outputs": 1 <= ask.images <= 4,
        "resolution": ask.resolution in PRICES.get(ask.model, {ask.resolution: 0}),
        "image_urls": ask.references <= 9,
    }
    return next((field for field, is_right in rules.items() if not is_right), "")


def _known(ask: Ask) -> dict[str, Any]:
    return {"id": ask.id, "model": ask.model, "type": "image_edit" if ask.references else "image_generate"}


def _dollars(ask: Ask, images: int) -> str:
    return f"${PRICES[ask.model][ask.resolution] * images / 1_000_000:.4f}"


def _key(request: web.Request) -> str:
    return request.headers.get("Authorization", "").removeprefix("Bearer ")


def _say(data: Any, status: int = 200) -> web.Response:
    return web.json_response({"data": data, "error": None}, status=status)


def _refusal(
    status: int, code: str, message: str, fields: dict[str, str] | None = None, headers: dict[str, str] | None = None
) -> web.Response:
    error = {"code": code, "message": message} | ({"fields": fields} if fields else {})
    error |= {"request_id": "req_00000000000000000000", "docs_url": f"https://api.eggapi.ai/docs/errors#{code.lower()}"}
    return web.json_response({"data": None, "error": error}, status=status, headers=headers)
