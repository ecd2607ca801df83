"""Google's Vertex AI: the Gemini models under other addresses, for a service account or an API key.

https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest, read in November 2026.
"""

import json
import re
import time
from base64 import urlsafe_b64encode
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from generation.providers.base import (
    BadCredential,
    Call,
    Job,
    Outcome,
    Rejected,
    Reply,
    Standing,
    Submitted,
    Unreadable,
    text,
)
from generation.providers.gemini import Gemini

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LIFE = 3600
EARLY = 120  # seconds, for clocks that differ
LOCATION = re.compile(r"(?:(?P<region>[a-z0-9-]+)-aiplatform|aiplatform\.(?P<area>[a-z]+)\.rep)\.googleapis\.com")


@dataclass(frozen=True)
class ServiceAccount:
    """What the JSON file of a service account's key says."""

    project: str
    email: str
    token_uri: str
    key_id: str
    key: RSAPrivateKey

    @classmethod
    def read(cls, credential: str) -> "ServiceAccount":
        """Raises BadCredential."""
        try:
            file = json.loads(credential)
            key = load_pem_private_key(file["private_key"].encode(), None)
            if not isinstance(key, RSAPrivateKey):
                raise TypeError(type(key).__name__)
            return cls(file["project_id"], file["client_email"], file["token_uri"], file["private_key_id"], key)
        except (AttributeError, LookupError, TypeError, ValueError):
            raise BadCredential("the service account's key file cannot be read") from None

    def assertion(self, now: int) -> str:
        """A signed JWT that buys a token; https://developers.google.com/identity/protocols/oauth2/service-account."""
        claims = {"iss": self.email, "scope": SCOPE, "aud": self.token_uri, "iat": now, "exp": now + LIFE}
        signed = f"{_segment({'alg': 'RS256', 'typ': 'JWT', 'kid': self.key_id})}.{_segment(claims)}"
        return f"{signed}.{_base64url(self.key.sign(signed.encode(), PKCS1v15(), SHA256()))}"


class Vertex(Gemini):
    """The credential is a service account's key file, or the API key of the express mode."""

    name: ClassVar[str] = "vertex"
    default_base_url: ClassVar[str] = "https://aiplatform.googleapis.com/v1beta1"
    list_path: ClassVar[str] = "/publishers/google/models"
    list_name: ClassVar[str] = "publisherModels"

    def __init__(self, base_url: str, credential: str = "", callback_secret: str = "") -> None:
        super().__init__(base_url, credential, callback_secret)
        self._has_account = credential.lstrip().startswith("{")
        self._token = ""
        self._fresh_until = 0.0

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"} if self._has_account else super().headers()

    def submit(self, job: Job) -> Generator[Call, Reply, Submitted]:
        try:
            yield from self._sign_in()
        except BadCredential as error:
            return Rejected(Outcome.ROUTE_DOWN, str(error))
        return (yield from super().submit(job))

    def standing(self) -> Generator[Call, Reply, Standing]:
        yield from self._sign_in()
        return (yield from super().standing())

    def models_path(self) -> str:
        """The location is in the name of the host; an API key knows its project."""
        if not self._has_account:
            return self.list_path
        host = LOCATION.fullmatch(urlsplit(self.base_url).hostname or "")
        location = (host["region"] or host["area"]) if host else "global"
        return f"/projects/{quote(self._account.project, safe='')}/locations/{location}{self.list_path}"

    @cached_property
    def _account(self) -> ServiceAccount:
        """Kept, because checking the key takes longer than all the rest of a call."""
        return ServiceAccount.read(self.credential)

    def _sign_in(self) -> Generator[Call, Reply, None]:
        """Fetches a token unless there is a fresh one. Raises BadCredential.

        The one place where an adapter looks at a clock: how long a token still lives depends on no job,
        and an assertion says when it was signed.
        """
        now = time.time()
        if not self._has_account or now < self._fresh_until:
            return
        form = [("grant_type", JWT_BEARER), ("assertion", self._account.assertion(int(now)))]
        reply = yield Call("POST", self._account.token_uri, form=form, timeout=20, buys=False)
        if reply.status in {400, 401, 403}:
            raise BadCredential(f"{reply.said('error')} {reply.said('error_description')}")
        if reply.status != 200:
            raise Unreadable(f"status {reply.status} for a token")
        self._token = text(reply.json["access_token"])
        self._fresh_until = now + reply.json["expires_in"] - EARLY


def _segment(content: Mapping[str, Any]) -> str:
    return _base64url(json.dumps(content).encode())


def _base64url(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()
