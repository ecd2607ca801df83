"""OpenAI's Images API: JSON to draw, multipart to edit, pictures as base64 in the answer.

Beside the faults of upstream.py: `quota` (the balance is gone), `billing-limit` (likewise, as a 400), `e429-ms` (the
wait in milliseconds alone), `blocked-output` (drawn, then refused), `e503-html` `e502` `e504` (after it was taken).
"""

import io
import time
from base64 import b64encode
from collections.abc import Iterable
from typing import Any, ClassVar

from aiohttp import web
from PIL import Image as Pillow

from tests.emulators.upstream import Ask, Synchronous, drawn

FIXED = {"gpt-image-1.5": ("1024x1024", "1536x1024", "1024x1536", "auto")}
NAMES = {"model", "prompt", "n", "size", "quality", "background", "output_format", "output_compression", "moderation"}
MOST_PICTURES = 16
FEWEST_PIXELS, MOST_PIXELS, LONGEST_EDGE = 655_360, 8_294_400, 3840

# Status -> the error's message, type, param and code.
ERRORS = {
    400: ("Unknown parameter: 'seed'.", "invalid_request_error", "seed", "unknown_parameter"),
    401: ("Incorrect API key provided: emul****6789.", "invalid_request_error", None, "invalid_api_key"),
    404: (
        "The model does not exist or you do not have access to it.",
        "invalid_request_error",
        None,
        "model_not_found",
    ),
    429: ("Rate limit reached for images per minute.", "input-images", None, "rate_limit_exceeded"),
    500: ("The server had an error while processing your request.", "server_error", None, None),
    503: ("The engine is currently overloaded, please try again later.", "server_error", None, None),
}
QUOTA = ("You exceeded your current quota, please check your plan and billing details.", "insufficient_quota", None)
LIMIT = ("Billing hard limit has been reached.", "billing_limit_user_error", None, "billing_hard_limit_reached")
BLOCKED = ("Your request was rejected by the safety system.", "image_generation_user_error", None, "moderation_blocked")
BAD_FILE = ("Invalid image file or mode for image 1, please check your image file.", "image_generation_user_error")


class OpenAI(Synchronous):
    models: ClassVar[frozenset[str]] = frozenset({"gpt-image-2", "gpt-image-2.5-flare", *FIXED})

    @property
    def base_url(self) -> str:
        return f"{self.origin}/v1"

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [
            web.post("/v1/images/generations", self._generate),
            web.post("/v1/images/edits", self._edit),
            web.get("/v1/models", self._list),
        ]

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        return await self._take(request, await request.json(), [])

    async def _edit(self, request: web.Request) -> web.StreamResponse:
        """The only picture is named `image`, several are named `image[]`."""
        if request.content_type != "multipart/form-data":
            return self._fail(
                415, "Unsupported content type", "invalid_request_error", None, "unsupported_content_type"
            )
        fields, files = {}, []
        for name, value in (await request.post()).items():
            if isinstance(value, web.FileField):
                files.append((name, value.filename, value.content_type, value.file.read()))
            else:
                fields[name] = value
        names = {name for name, *_ in files}
        if names not in ({"image"}, {"image[]"}) or len(files) > (MOST_PICTURES if names == {"image[]"} else 1):
            return self._fail(400, "Invalid value for 'image'.", "invalid_request_error", "image", "invalid_value")
        if not all(_decodes(content, kind) for _, _, kind, content in files):
            return self._fail(400, *BAD_FILE, "image", "invalid_image_file")
        return await self._take(request, fields, files)

    async def _take(self, request: web.Request, given: dict[str, Any], files: list[Any]) -> web.StreamResponse:
        ask = Ask(
            given["model"],
            given["prompt"],
            images=int(given.get("n", 1)),
            ratio=given.get("size", "auto").replace("x", ":"),
            references=len(files),
            format=given.get("output_format", "png"),
            raw={"fields": given, "files": files},
            key=request.headers.get("Authorization", "").removeprefix("Bearer "),
        )
        if fault := _fault(ask):
            return self._fail(400, f"Invalid value for '{fault}'.", "invalid_request_error", fault, "invalid_value")
        return await self.submitted(request, ask)

    def _turned_away(self, ask: Ask) -> web.Response | None:
        match ask.fault:
            case "quota":
                return self._fail(429, *QUOTA, "insufficient_quota")
            case "billing-limit":
                return self._fail(400, *LIMIT)
            case "e429-ms":
                return self.error(429, ask, {"retry-after-ms": "1500"})
        return super()._turned_away(ask)

    def answer(self, ask: Ask) -> web.StreamResponse:
        match ask.fault:
            case "failed":
                return self.error(500, ask)
            case "refused-later" | "blocked-output":
                return self._fail(400, *BLOCKED, stage="output")
            case "e503-html" | "e502" | "e504":
                return web.Response(
                    status=int(ask.fault[1:4]), text="<html>Bad gateway</html>", content_type="text/html"
                )
        wide, high = _size(ask)
        body = {
            "created": round(time.time()),
            "background": "opaque",
            "data": [{"b64_json": b64encode(data).decode()} for data in self.pictures(ask)],
            "output_format": ask.format,
            "quality": "high",
            "size": f"{wide}x{high}",
            "usage": {
                "input_tokens": 50,
                "input_tokens_details": {"image_tokens": 40, "text_tokens": 10},
                "output_tokens": 4160,
                "total_tokens": 4210,
            },
        }
        return web.json_response(body, headers=_headers())

    def draw(self, ask: Ask) -> bytes:
        return drawn(*_size(ask), ask.format)

    async def _list(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {self.key}":
            return self.error(401)
        known = {"object": "model", "created": 1776729600, "owned_by": "system"}
        models = [{"id": model, **known} for model in sorted(self.models)]
        return web.json_response({"object": "list", "data": models}, headers=_headers())

    def error(self, status: int, ask: Ask | None = None, headers: dict[str, str] | None = None) -> web.Response:
        return self._fail(status, *ERRORS[status], headers=headers)

    def refuse(self, ask: Ask) -> web.Response:
        return self._fail(400, *BLOCKED, stage="input")

    def invalid(self, ask: Ask) -> web.Response:
        return self._fail(400, *BAD_FILE, "image", "invalid_image_file")

    def _fail(
        self,
        status: int,
        message: str,
        kind: str,
        param: str | None,
        code: str | None,
        *,
        stage: str = "",
        headers: dict[str, str] | None = None,
    ) -> web.Response:
        error: dict[str, Any] = {"message": message, "type": kind, "param": param, "code": code}
        if stage:
            error["moderation_details"] = {"moderation_stage": stage, "categories": ["other"]}
        return web.json_response({"error": error}, status=status, headers=_headers() | (headers or {}))


def _headers() -> dict[str, str]:
    limits = {f"x-ratelimit-{word}-requests": value for word, value in (("limit", "500"), ("remaining", "499"))}
    return {"x-request-id": "req_0123456789abcdef", "x-ratelimit-reset-requests": "120ms", **limits}


def _fault(ask: Ask) -> str:
    """The parameter a call is turned away for."""
    unknown: set[str] = set(ask.raw["fields"]) - NAMES
    if unknown:
        return min(unknown)
    if not 1 <= ask.images <= 10:
        return "n"
    if ask.format not in {"png", "jpeg", "webp"}:
        return "output_format"
    if not 1 <= len(ask.prompt) <= 32_000:
        return "prompt"
    return "" if ask.model not in OpenAI.models or _is_drawable(ask) else "size"


def _is_drawable(ask: Ask) -> bool:
    if ask.model in FIXED:
        return ask.ratio.replace(":", "x") in FIXED[ask.model]
    wide, high = _size(ask)
    in_shape = wide % 16 == high % 16 == 0 and max(wide, high) <= 3 * min(wide, high)
    return in_shape and max(wide, high) <= LONGEST_EDGE and FEWEST_PIXELS <= wide * high <= MOST_PIXELS


def _size(ask: Ask) -> tuple[int, int]:
    wide, _, high = ask.ratio.partition(":")
    return (int(wide), int(high)) if high else (1024, 1024)


def _decodes(content: bytes, kind: str) -> bool:
    try:
        with Pillow.open(io.BytesIO(content)) as image:
            return bool(Pillow.MIME[str(image.format)] == kind)
    except (OSError, ValueError):
        return False
