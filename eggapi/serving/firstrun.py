"""What a newcomer finds: an account, a key, a way in, and a picture made with them."""

import json
import time
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import ProxyHandler, Request, build_opener

from django.conf import settings
from django.db import transaction

from accounts import keys, opening
from accounts.models import Account, ApiKey, Mode, User
from billing import ledger
from billing.models import LedgerEntry
from eggapi import crypto
from eggapi.serving import home
from generation.models import Provider

KEY_NAME = "demo"
STARTING_CREDIT = 1_000_000  # $1.00
PICTURE = {
    "model": "nanobanana",
    "prompt": "A sailing boat under a full moon and stars, night sea",
    "aspect_ratio": "16:9",
    "seed": 7,
}
PICTURE_SECONDS = 60.0
POLL_SECONDS = 0.25
CALL_SECONDS = 10.0


class NoPicture(Exception):
    """The first picture was not made; the text says why."""


@transaction.atomic
def first_account(email: str) -> tuple[User, Account]:
    """The account of `email` with all that comes with one. In the embedded mode its owner becomes the operator if
    there is none."""
    account = opening.account_of(email)
    user = User.objects.get(email=email)
    if settings.EGGAPI_EMBEDDED and not User.objects.filter(is_superuser=True).exists():
        User.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=True)
        user.refresh_from_db()
    return user, account


def demo_key(account: Account, path: Path) -> str:
    """The account's test key, kept in `path`; another one is made only if that is gone, revoked or not its own."""
    kept = path.read_text().strip() if path.exists() else ""
    if kept and ApiKey.objects.filter(digest=crypto.digest(kept), account=account, revoked_at=None).exists():
        return kept
    _, text = keys.mint(account, Mode.TEST, KEY_NAME)
    home.write(path, f"{text}\n", mode=0o600)
    return text


@transaction.atomic
def live_key(account: Account) -> str:
    """The account's first live key, with money to start with, once the environment gives a provider; else empty."""
    provider = Provider.objects.filter(name__in=settings.EGGAPI_PROVIDER_KEYS).exclude(adapter="sandbox")
    if not provider.exists() or ApiKey.objects.filter(account=account, mode=Mode.LIVE).exists():
        return ""
    promo = LedgerEntry.Counterpart.PROMO
    ledger.credit(account, Mode.LIVE, STARTING_CREDIT, reason="starting credit", counterpart=promo)
    _, text = keys.mint(account, Mode.LIVE, KEY_NAME)
    return text


class Newcomer:
    """Somebody who calls the public API with a key, over HTTP and without a proxy."""

    def __init__(self, base_url: str, key: str) -> None:
        self._base_url = base_url
        self._key = key
        self._open = build_opener(ProxyHandler({})).open

    def make_picture(self, path: Path) -> None:
        """Asks for a picture, waits for it and saves it. Raises NoPicture."""
        try:
            task = self._call("POST", "/v1/generate", PICTURE)
            until = time.monotonic() + PICTURE_SECONDS
            while task["status"] not in ("completed", "failed"):
                if time.monotonic() > until:
                    raise NoPicture(f"task {task['id']} is still {task['status']} after {PICTURE_SECONDS:.0f} seconds")
                time.sleep(POLL_SECONDS)
                task = self._call("GET", f"/v1/tasks/{task['id']}")
            if task["status"] == "failed":
                raise NoPicture(f"task {task['id']} failed: {task['error']}")
            self._download(task["output"]["url"], path)
        except HTTPError as error:
            raise NoPicture(f"the server answered {error.code} to {error.url}") from error
        except (URLError, OSError, ValueError, KeyError) as error:
            raise NoPicture(f"{type(error).__name__}: {error}") from error

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        data = json.dumps(body).encode() if body else None
        with self._open(Request(self._base_url + path, data, headers, method=method), timeout=CALL_SECONDS) as reply:
            answer: dict[str, Any] = json.load(reply)["data"]
            return answer

    def _download(self, url: str, path: Path) -> None:
        """From here, whatever name we have outside: that may lead nowhere yet."""
        if settings.EGGAPI_PUBLIC_URL:
            url = url.replace(settings.EGGAPI_PUBLIC_URL, self._base_url, 1)
        with self._open(url, timeout=CALL_SECONDS) as reply:
            path.write_bytes(reply.read())
