"""OpenRouter's chat completions with a picture in the answer, as a data URL, and the dollars it cost.

Beside the faults of upstream.py: `inner-error` `inner-CODE` (an error in an answer with status 200), `choice-error`
(in its choice), `text-only`, `finish-REASON` (the model's own), `linked` (an address instead of a data URL),
`busy-402` (too much in flight), `e402` `e403` `e404-endpoint` `e529`, and after it was taken `e408` `e502`
`e503-html` `e504` `e524`.
"""

import io
from base64 import b64decode, b64encode
from collections.abc import Iterable
from typing import Any, ClassVar

from aiohttp import web
from PIL import Image as Pillow

from tests.emulators.upstream import Ask, Synchronous

ONE_SIZE = {"google/gemini-2.5-flash-image"}
RATIOS = {"1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"}
COST = 0.0387825
MESSAGES = {
    400: "Provider returned error",
    401: "No auth credentials found",
    402: "Insufficient credits. Add more using https://openrouter.ai/credits",
    403: "Key limit exceeded",
    404: "No endpoints found that support the requested output modalities: image, text",
    429: "Rate limit exceeded: free-models-per-min.",
    500: "Internal Server Error",
    502: "Provider returned error",
    503: "There is no available model provider that meets your routing requirements",
    529: "Provider is overloaded",
}
FLAGGED = "google/gemini-2.5-flash-image requires moderation. Your input was flagged."
UNREADABLE_PICTURE = (
    '{"error": {"code": 400, "message": "Unable to process input image.", "status": "INVALID_ARGUMENT"}}'
)
UNNAMED = '{"error": {"code": 400, "message": "Request contains an invalid argument.", "status": "INVALID_ARGUMENT"}}'


class OpenRouter(Synchronous):
    """`limit` is what the key may still spend, in dollars."""

    models: ClassVar[frozenset[str]] = frozenset({"google/gemini-3-pro-image", *ONE_SIZE})
    limit: float | None = 74.5

    @property
    def base_url(self) -> str:
        return f"{self.origin}/api/v1"

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [
            web.post("/api/v1/chat/completions", self._complete),
            web.get("/api/v1/models", self._list),
            web.get("/api/v1/key", self._about_key),
        ]

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        parts = [part for message in body["messages"] for part in _parts(message)]
        pictures = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
        shape = body.get("image_config", {})
        ask = Ask(
            body["model"],
            "\n".join(part["text"] for part in parts if part["type"] == "text"),
            ratio=shape.get("aspect_ratio", "1:1"),
            resolution="1K" if body["model"] in ONE_SIZE else shape.get("image_size", "1K"),
            references=len(pictures),
            raw=body,
            key=_key(request),
        )
        if "image" not in body.get("modalities", []) or ask.ratio not in RATIOS:
            return self._fail(400, "Invalid input")
        if ask.resolution not in {"1K", "2K", "4K"}:
            return self.error(400)
        if not all(_decodes(url) for url in pictures):
            return self.invalid(ask)
        return await self.submitted(request, ask)

    def _turned_away(self, ask: Ask) -> web.Response | None:
        match ask.fault:
            case "busy-402":
                reason = {"limit_source": "openrouter_in_flight_budget"}
                return self._fail(402, "Too much spending in flight", reason, {"Retry-After": "3"})
            case "e402" | "e403" | "e529":
                return self.error(int(ask.fault[1:]))
            case "e404-endpoint":
                return self._fail(404, MESSAGES[404])
        return super()._turned_away(ask)

    def answer(self, ask: Ask) -> web.StreamResponse:
        match ask.fault:
            case "failed" | "inner-error":
                return web.json_response(_error(502, MESSAGES[502], {"provider_name": "Google", "raw": "ERROR"}))
            case "refused-later":
                return web.json_response(_error(403, FLAGGED))
            case "choice-error":
                error = _error(502, MESSAGES[502])["error"]
                return self._say(ask, {"content": ""}, "error", finish="error", error=error)
            case "text-only":
                return self._say(ask, {"content": "I would rather tell you of an egg."})
            case "e408" | "e502" | "e503-html" | "e504" | "e524":
                return web.Response(
                    status=int(ask.fault[1:4]), text="<html>Bad gateway</html>", content_type="text/html"
                )
            case fault if fault.startswith("inner-"):
                return web.json_response(_error(int(fault.removeprefix("inner-")), "It is told inside"))
            case fault if fault.startswith("finish-"):
                return self._say(ask, {"content": ""}, fault.removeprefix("finish-"))
        urls = [f"data:image/png;base64,{b64encode(data).decode()}" for data in self.pictures(ask)]
        if ask.fault in {"linked", "private-url", "expired", "private", "slow-file"}:
            urls = self.urls(ask)
        images = [{"type": "image_url", "image_url": {"url": url}, "index": 0} for url in urls]
        return self._say(ask, {"content": "Here it is:", **({"images": images} if images else {})})

    def _say(
        self, ask: Ask, said: dict[str, Any], native: str = "STOP", finish: str = "stop", **more: Any
    ) -> web.Response:
        choice = {"index": 0, "finish_reason": finish, "native_finish_reason": native, "logprobs": None, **more}
        body = {
            "id": f"gen-{ask.id}",
            "provider": "Google",
            "model": ask.model,
            "object": "chat.completion",
            "created": 1776729600,
            "choices": [{**choice, "message": {"role": "assistant", "refusal": None, **said}}],
            "usage": {"prompt_tokens": 8, "completion_tokens": 1290, "total_tokens": 1298, "cost": COST},
        }
        return web.json_response(body)

    async def _list(self, request: web.Request) -> web.Response:
        """Anybody may read it. It is a megabyte unless it is narrowed."""
        models = [{"id": model, "name": model} for model in sorted(self.models)]
        rest = (
            [] if request.query.get("output_modalities") == "image" else [{"id": "a/chat", "name": "x" * 1024 * 1024}]
        )
        return web.json_response({"data": models + rest})

    async def _about_key(self, request: web.Request) -> web.Response:
        if _key(request) != self.key:
            return self.error(401)
        limit = None if self.limit is None else 100
        return web.json_response(
            {"data": {"label": "sk-or", "limit": limit, "limit_remaining": self.limit, "usage": 25.5}}
        )

    def error(self, status: int, ask: Ask | None = None, headers: dict[str, str] | None = None) -> web.Response:
        if status == 404:
            return self._fail(400, f"{ask.model if ask else 'it'} is not a valid model ID")
        metadata = {"provider_name": "Google", "raw": UNNAMED} if status == 400 else None
        return self._fail(status, MESSAGES[status], metadata, headers)

    def refuse(self, ask: Ask) -> web.Response:
        metadata = {"reasons": ["sexual"], "flagged_input": ask.prompt[:100], "provider_name": "Google"}
        return self._fail(403, FLAGGED, metadata)

    def invalid(self, ask: Ask) -> web.Response:
        return self._fail(400, MESSAGES[400], {"provider_name": "Google", "raw": UNREADABLE_PICTURE})

    def _fail(
        self, status: int, message: str, metadata: Any = None, headers: dict[str, str] | None = None
    ) -> web.Response:
        return web.json_response(_error(status, message, metadata), status=status, headers=headers)


def _error(code: int, message: str, metadata: Any = None) -> dict[str, Any]:
    error = {"code": code, "message": message, **({"metadata": metadata} if metadata else {})}
    return {"error": error, "user_id": "user_0123456789"}


def _parts(message: dict[str, Any]) -> list[dict[str, Any]]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _key(request: web.Request) -> str:
    return request.headers.get("Authorization", "").removeprefix("Bearer ")


def _decodes(url: str) -> bool:
    head, _, data = url.partition(",")
    try:
        with Pillow.open(io.BytesIO(b64decode(data, validate=True))) as image:
            return head == f"data:{Pillow.MIME[str(image.format)]};base64"
    except (OSError, ValueError):
        return False
