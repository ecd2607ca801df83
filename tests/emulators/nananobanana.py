"""nananobanana.com as its documentation has it, without the event stream: credits go at the submit and do not return.

Only a 503 gives them back. What an unknown model is answered with is our guess.
"""

from collections.abc import Iterable
from typing import Any, ClassVar

from aiohttp import web

from tests.emulators.upstream import Ask, Upstream

STATES = {"working": "processing", "odd": "dreaming", "failed": "failed", "refused": "failed", "done": "completed"}
MESSAGES = {
    400: "Invalid request parameters",
    401: "Invalid API key",
    402: "Insufficient credits",
    404: "Model not found",
    429: "Too many requests",
    500: "Internal server error",
}
FAILURES = {"failed": "Generation failed due to server error", "refused": "Content safety check failed"}
MODELS = {
    "nano-banana": 1,
    "gemini-2.5-flash-image": 1,
    "nanobanan-2": 3,
    "nanobanan-2-2k": 3,
    "nanobanan-2-4k": 4,
    "nanobanan2&pro": 3,
    "nanobanan2&pro-2k": 4,
    "seedream-5.0-2k": 3,
}


class Nananobanana(Upstream):
    """`credits` is what the account was topped up with; those in `at_once` answer with pictures in every mode."""

    models: ClassVar[frozenset[str]] = frozenset(MODELS)
    credits = 100
    at_once = frozenset({"seedream-5.0-2k"})
    has_access = True

    @property
    def base_url(self) -> str:
        return f"{self.origin}/api/v1"

    @property
    def left(self) -> int:
        return self.credits - sum(_cost(ask) for ask in self.jobs.values())

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [
            web.post("/api/v1/generate", self._generate),
            web.get("/api/v1/generate", self._generation),
            web.get("/api/v1/models", self._models),
            web.get("/api/v1/credits", self._credits),
        ]

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        ask = Ask(
            body.get("selectedModel", "nano-banana"),
            body["prompt"],
            ratio=body.get("aspectRatio", "default"),
            references=len(body.get("referenceImageUrls", [])),
            raw=body,
            key=_key(request),
        )
        ask.resolution = ask.model[-2:] if ask.model.endswith(("-2k", "-4k")) else "1k"
        return await self.submitted(request, ask)

    def _turned_away(self, ask: Ask) -> web.Response | None:
        if turned_away := super()._turned_away(ask):
            return turned_away
        if not self.has_access:
            return self._say(403, {"error": "API access not enabled"})
        if ask.raw.get("mode", "sync") not in {"sync", "async"}:
            return self._say(400, {"error": "Invalid mode"})
        return self.error(402) if _cost(ask) > self.left else None

    def id_of(self, ask: Ask) -> str:
        return f"clxx{ask.id}"

    def answer(self, ask: Ask) -> web.StreamResponse:
        if ask.raw.get("mode", "sync") == "async" and ask.model not in self.at_once:
            message = "Generation started. Use GET /api/v1/generate?id={generationId} to poll for results."
            return self._charged(ask, {"success": True, "async": True, "message": message})
        return self._charged(ask, {"success": True, "imageUrls": self.urls(ask)})

    def refuse(self, ask: Ask) -> web.Response:
        """A refused prompt is paid like any other."""
        ask.id = self.id_of(ask)
        self.jobs[ask.id] = ask
        self.billed[ask.prompt] += ask.images
        return self._charged(ask, {"success": False, "warning": True, "message": FAILURES["refused"]})

    def invalid(self, ask: Ask) -> web.Response:
        """No fault of a customer's is documented."""
        return self.error(400)

    def _charged(self, ask: Ask, answer: dict[str, Any]) -> web.Response:
        answer["generationId"] = ask.id
        return self._say(200, answer | {"creditsUsed": _cost(ask), "remainingCredits": self.left})

    async def _generation(self, request: web.Request) -> web.StreamResponse:
        if _key(request) != self.key:
            return self.error(401)
        ask = self.jobs.get(request.query["id"])
        if ask is None:
            return self._say(404, {"error": "Generation not found"})
        state = self.state(ask)
        if state == "broken":
            return web.Response(status=502, text="Bad gateway")
        return self._say(200, {"data": self._record(ask, state)})

    def _record(self, ask: Ask, state: str) -> dict[str, Any]:
        record = {
            "id": ask.id,
            "prompt": ask.prompt,
            "outputImageUrls": self.urls(ask) if state == "done" else None,
            "modelUsed": ask.model,
            "processingStatus": STATES[state],
            "creditsUsed": _cost(ask),
            "createdAt": "2026-11-01T00:00:00.000Z",
        }
        return record | ({"errorMessage": FAILURES[state]} if state in FAILURES else {})

    async def _models(self, request: web.Request) -> web.StreamResponse:
        """Anybody may read it."""
        rows = [
            {
                "name": name,
                "displayName": name.title(),
                "creditsCost": cost,
                "supportsImageInput": True,
                "supportsAspectRatio": True,
                "requiresPro": False,
            }
            for name, cost in MODELS.items()
        ]
        return self._say(200, {"data": rows})

    async def _credits(self, request: web.Request) -> web.StreamResponse:
        if _key(request) != self.key:
            return self.error(401)
        return self._say(200, {"data": {"credits": self.left}})

    def error(self, status: int, ask: Ask | None = None, headers: dict[str, str] | None = None) -> web.Response:
        if status == 503:
            message = "Server is busy, too many concurrent tasks. Please retry later."
            return self._say(503, {"error": message, "type": "server_busy", "activeTasks": 10})
        return self._say({404: 400}.get(status, status), {"error": MESSAGES[status]}, headers)

    def _say(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> web.Response:
        return web.json_response(body, status=status, headers=headers)


def _cost(ask: Ask) -> int:
    """In credits; every picture to edit but the first costs one."""
    return MODELS[ask.model] + max(ask.references - 1, 0)


def _key(request: web.Request) -> str:
    return request.headers.get("Authorization", "").removeprefix("Bearer ")
