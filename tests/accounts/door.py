"""What a person does at the door, and what they find in their mail."""

import base64
import hashlib
import hmac
import re
import struct
import time
from typing import Any

from django.test import Client

from eggapi.models import Letter

PASSWORD = "correct horse battery"
EMAIL = "alice@example.com"


def sign_up(client: Client, email: str = EMAIL, password: str = PASSWORD, **more: str) -> Any:
    return client.post("/accounts/signup/", {"email": email, "password1": password, "terms": "on", **more})


def sign_in(client: Client, email: str = EMAIL, password: str = PASSWORD, **more: str) -> Any:
    return client.post("/accounts/login/", {"login": email, "password": password, **more})


def signed_in_as(client: Client) -> str | None:
    response = client.get("/home")
    return response.context["request"].user.email if response.status_code == 200 else None


def letters(to: str = EMAIL) -> list[Letter]:
    return list(Letter.objects.filter(to=to).order_by("pk"))


def link(part: str, to: str = EMAIL) -> str:
    """The path of the newest link in a letter that has this in it."""
    found = [path for letter in letters(to) for path in re.findall(r"https?://[^/\s]+(/\S+)", letter.text)]
    return str([path for path in found if part in path][-1])


def confirm(client: Client, to: str = EMAIL) -> Any:
    """Opens the link to confirm an address, and says yes."""
    return client.post(link("/confirm-email/", to))


def code(secret: str, steps: int = 0) -> str:
    """What an authenticator app shows, `steps` half minutes from now."""
    counter = struct.pack(">Q", int(time.time() // 30) + steps)
    digest = hmac.new(base64.b32decode(secret), counter, hashlib.sha1).digest()
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at : at + 4])[0] & 0x7FFFFFFF) % 10**6:06d}"


def add_app(client: Client) -> str:
    """Adds an authenticator app and returns its secret. The person was asked for their password just now."""
    page = client.get("/accounts/2fa/totp/activate/")
    secret: str = page.context["form"].secret
    assert client.post("/accounts/2fa/totp/activate/", {"code": code(secret)}).status_code == 302
    return secret


def reauthenticate(client: Client) -> None:
    assert client.post("/accounts/reauthenticate/", {"password": PASSWORD}).status_code == 302
