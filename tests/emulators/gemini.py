"""Google's Gemini API, and the same models at Vertex AI: one server, one picture a call, answered when it is drawn.

Beside the faults of upstream.py: `text-only` (prose), `thought` (a draft before the picture), `finish-REASON`,
`block-REASON` (of the prompt), `e429-retryinfo`, `e429-perday`, `depleted`, `e503-deadline`, `e504`, `precondition`.
"""

import io
import json
import time
from base64 import b64decode, b64encode, urlsafe_b64decode
from collections.abc import Iterable
from functools import cache
from typing import Any, ClassVar

from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from PIL import Image as Pillow

from tests.emulators.upstream import Ask, Synchronous, picture

ONE_SIZE = {"gemini-2.5-flash-image"}
RATIOS = {"1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"}
FROM_URLS = str.maketrans("-_", "+/")
# Whom an assertion may be for beside the key file's own token_uri: Google's client says this whatever the file says.
AUDIENCE = "https://oauth2.googleapis.com/token"
TYPE = "type.googleapis.com/google.rpc."
UNREADABLE_PICTURE = (
    "Unable to process input image. Please retry or report in "
    "https://developers.generativeai.google/guide/troubleshooting"
)
EXHAUSTED = "You exceeded your current quota, please check your plan and billing details."
DEPLETED = (
    "Your prepayment credits are depleted. Please go to AI Studio at https://ai.studio/projects "
    "to manage your project and billing."
)
DEADLINE = "Deadline expired before operation could complete."

# Status -> the HTTP status it really has here, the RPC's status, the text.
Errors = dict[int, tuple[int, str, str]]
ERRORS: Errors = {
    400: (400, "INVALID_ARGUMENT", "Request contains an invalid argument."),
    401: (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
    404: (404, "NOT_FOUND", "models/{} is not found for API version v1beta, or is not supported for generateContent."),
    429: (429, "RESOURCE_EXHAUSTED", EXHAUSTED),
    500: (500, "INTERNAL", "An internal error has occurred."),
    503: (503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
}


class Gemini(Synchronous):
    """`page` is how many models a page of their list holds."""

    models: ClassVar[frozenset[str]] = frozenset(
        {"gemini-2.5-flash-image", "gemini-3.1-flash-image", "gemini-3-pro-image", "gemini-nano-banana-2.1"}
    )
    errors: ClassVar[Errors] = ERRORS
    page = 3

    def __init__(self) -> None:
        super().__init__()
        self.tokens: set[str] = set()

    @property
    def base_url(self) -> str:
        return f"{self.origin}/v1beta"

    @property
    def account(self) -> dict[str, str]:
        """The key file of a service account that the token endpoint knows."""
        pem = _private_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return {
            "type": "service_account",
            "project_id": "egg-project",
            "private_key_id": "0123456789abcdef",
            "private_key": pem.decode(),
            "client_email": "painter@egg-project.iam.gserviceaccount.com",
            "token_uri": f"{self.origin}/token",
        }

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        version, project = "/{version:v1|v1beta|v1beta1}", "/projects/{project}/locations/{location}"
        vertex, generate = "/publishers/google/models", "/{model}:generateContent"
        return [
            web.post(f"{version}/models{generate}", self._generate),
            web.post(f"{version}{vertex}{generate}", self._generate),
            web.post(f"{version}{project}{vertex}{generate}", self._generate),
            web.get(f"{version}/models", self._list),
            web.get(f"{version}{vertex}", self._list),
            web.post("/token", self._token),
        ]

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        body = _in_camel_case(await request.json())
        ask = self._read(request, body)
        if not all(content.get("role") in {"user", "model"} for content in body["contents"]):
            return self._fail(400, "INVALID_ARGUMENT", "Please use a valid role: user, model.")
        if ask.ratio not in RATIOS or ask.resolution not in {"1K", "2K", "4K"}:
            return self.error(400)
        if not all(_decodes(part) for part in _parts(body) if "inlineData" in part):
            return self._fail(400, "INVALID_ARGUMENT", UNREADABLE_PICTURE)
        return await self.submitted(request, ask)

    def _read(self, request: web.Request, body: dict[str, Any]) -> Ask:
        parts, model = _parts(body), request.match_info["model"]
        shape = body.get("generationConfig", {}).get("imageConfig", {})
        return Ask(
            model,
            "\n".join(part["text"] for part in parts if "text" in part),
            ratio=shape.get("aspectRatio", "1:1"),
            resolution="1K" if model in ONE_SIZE else shape.get("imageSize", "1K"),
            references=sum("inlineData" in part for part in parts),
            raw=body,
            key=self._key(request),
        )

    def _turned_away(self, ask: Ask) -> web.Response | None:
        if turned_away := super()._turned_away(ask):
            return turned_away
        match ask.fault:
            case "e429-retryinfo":
                told = {"@type": f"{TYPE}RetryInfo", "retryDelay": "1.5s"}
                return self._fail(429, "RESOURCE_EXHAUSTED", f"{EXHAUSTED} Please retry in 1.5s.", [told])
            case "e429-perday":
                violation = {"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier", "quotaValue": "100"}
                failure = {"@type": f"{TYPE}QuotaFailure", "violations": [violation]}
                return self._fail(429, "RESOURCE_EXHAUSTED", EXHAUSTED, [failure])
            case "depleted":
                return self._fail(429, "RESOURCE_EXHAUSTED", DEPLETED)
            case "precondition":
                return self._fail(400, "FAILED_PRECONDITION", "User location is not supported for the API use.")
            case fault if fault.startswith("block-"):
                return web.json_response({"promptFeedback": {"blockReason": fault.removeprefix("block-")}})
        return None

    def answer(self, ask: Ask) -> web.StreamResponse:
        pictures = [_inline(data) for data in self.pictures(ask)]
        match ask.fault:
            case "e503-deadline":
                return self._fail(503, "UNAVAILABLE", DEADLINE)
            case "e504":
                return self._fail(504, "DEADLINE_EXCEEDED", DEADLINE)
            case "text-only":
                return self._draw([{"text": "I would rather tell you of an egg."}])
            case "thought":
                draft = _inline(picture("1:1", "1k")) | {"thought": True}
                drawn = [part | {"thoughtSignature": "c2lnbmVk"} for part in pictures]
                return self._draw([{"text": "Let me see.", "thought": True}, draft, *drawn])
            case fault if fault.startswith("finish-"):
                return self._draw([], fault.removeprefix("finish-"))
        return self._draw([{"text": "Here it is:"}, *pictures] if pictures else [])

    def _draw(self, parts: list[dict[str, Any]], reason: str = "STOP") -> web.Response:
        candidate = {"content": {"role": "model", "parts": parts}, "finishReason": reason, "index": 0}
        if not parts:
            del candidate["content"]
        usage = {"promptTokenCount": 8, "candidatesTokenCount": 1290, "totalTokenCount": 1298}
        return web.json_response({"candidates": [candidate], "usageMetadata": usage, "responseId": "r1"})

    def error(self, status: int, ask: Ask | None = None, headers: dict[str, str] | None = None) -> web.Response:
        http, name, message = self.errors[status]
        return self._fail(http, name, message.format(ask.model if ask else ""), headers=headers)

    def refuse(self, ask: Ask) -> web.Response:
        return web.json_response({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}})

    def invalid(self, ask: Ask) -> web.Response:
        return self._fail(400, "INVALID_ARGUMENT", UNREADABLE_PICTURE)

    def _fail(
        self,
        status: int,
        name: str,
        message: str,
        details: list[dict[str, Any]] | None = None,
        headers: dict[str, str] | None = None,
    ) -> web.Response:
        error: dict[str, Any] = {"code": status, "message": message, "status": name}
        if details:
            error["details"] = details
        return web.json_response({"error": error}, status=status, headers=headers)

    async def _list(self, request: web.Request) -> web.Response:
        if self._key(request) != self.key:
            return self.error(401)
        start = int(request.query.get("pageToken", 0))
        ours = sorted(self.models)[start : start + self.page]
        prefix, name = ("publishers/google/models/", "publisherModels") if "publishers" in request.path else PLAIN
        answer: dict[str, Any] = {name: [{"name": f"{prefix}{model}"} for model in ours]}
        if start + self.page < len(self.models):
            answer["nextPageToken"] = str(start + self.page)
        return web.json_response(answer)

    def _key(self, request: web.Request) -> str:
        """The credential a request came with; a token that was issued here stands for the right one."""
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if bearer in self.tokens:
            return self.key
        return request.headers.get("x-goog-api-key") or request.query.get("key", "")

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        if request.content_type != "application/x-www-form-urlencoded":
            return _no_token("invalid_request", "Bad Request")
        if form.get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer":
            return _no_token("unsupported_grant_type", "Invalid grant_type")
        if fault := self._fault_of(str(form["assertion"])):
            return _no_token("invalid_grant", fault)
        token = f"ya29.{len(self.tokens)}"
        self.tokens.add(token)
        return web.json_response({"access_token": token, "expires_in": 3599, "token_type": "Bearer"})

    def _fault_of(self, assertion: str) -> str:
        signed, _, signature = assertion.rpartition(".")
        header, claims = (json.loads(_from_base64url(part)) for part in signed.split("."))
        try:
            public = _private_key().public_key()
            public.verify(_from_base64url(signature), signed.encode(), PKCS1v15(), SHA256())
        except InvalidSignature:
            return "Invalid JWT Signature."
        if (header["alg"], claims["iss"]) != ("RS256", self.account["client_email"]):
            return "Invalid grant: account not found"
        if claims["aud"] not in {AUDIENCE, self.account["token_uri"]} or "cloud-platform" not in claims["scope"]:
            return "Invalid JWT: Failed audience check."
        if abs(claims["iat"] - time.time()) > 60 or claims["exp"] - claims["iat"] > 3600:
            return "Invalid JWT: Token must be a short-lived token."
        return ""


class Vertex(Gemini):
    """Vertex AI. Its key is a service account's key file; `api_key` is one of the express mode."""

    api_key: ClassVar[str] = Synchronous.key
    errors: ClassVar[Errors] = ERRORS | {
        401: (401, "UNAUTHENTICATED", "Request had invalid authentication credentials."),
        404: (404, "NOT_FOUND", "Publisher Model `publishers/google/models/{}` was not found."),
        429: (429, "RESOURCE_EXHAUSTED", "Resource exhausted. Please try again later."),
    }

    @property
    def key(self) -> str:  # type: ignore[override]
        return json.dumps(self.account)

    @property
    def base_url(self) -> str:
        return f"{self.origin}/v1beta1"

    def _key(self, request: web.Request) -> str:
        sent = super()._key(request)
        return self.key if sent == self.api_key else sent


PLAIN = ("models/", "models")


@cache
def _private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def _parts(body: dict[str, Any]) -> list[dict[str, Any]]:
    return [part for content in body["contents"] for part in content["parts"]]


def _in_camel_case(value: Any) -> Any:
    """Google takes both spellings of every name, mixed as you like."""
    if isinstance(value, list):
        return [_in_camel_case(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {_camel(name): _in_camel_case(item) for name, item in value.items()}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def _decodes(part: dict[str, Any]) -> bool:
    """Of both alphabets of base64, as Google takes them; its own client writes the one for URLs."""
    try:
        with Pillow.open(io.BytesIO(b64decode(part["inlineData"]["data"].translate(FROM_URLS)))) as image:
            return bool(Pillow.MIME[str(image.format)] == part["inlineData"]["mimeType"])
    except (OSError, ValueError):
        return False


def _inline(data: bytes) -> dict[str, Any]:
    return {"inlineData": {"mimeType": "image/png", "data": b64encode(data).decode()}}


def _from_base64url(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _no_token(error: str, description: str) -> web.Response:
    return web.json_response({"error": error, "error_description": description}, status=400)
