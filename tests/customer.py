"""A customer's program: it has a key, speaks to /v1 and holds every answer to the envelope."""

import json
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, TypeVar

from django.db import connection
from django.test import Client

from accounts import keys
from accounts.models import Mode
from accounts.opening import account_of
from billing import ledger
from billing.models import Hold, LedgerEntry, Wallet
from generation.models import Task

T = TypeVar("T")
EGG = {"model": "nanobanana", "prompt": "an egg"}
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


class Answer:
    """A reply, checked: an envelope with one side filled, and the id that the log knows the request by."""

    def __init__(self, response: Any) -> None:
        self.status = response.status_code
        self.headers = response.headers
        self.body: bytes = response.content
        assert re.fullmatch("req_[a-z0-9]{20}", self.headers["X-Request-Id"])
        assert self.headers["Content-Type"] == "application/json"

    @cached_property
    def _envelope(self) -> dict[str, Any]:
        envelope: dict[str, Any] = json.loads(self.body)
        assert list(envelope) == ["data", "error"]
        return envelope

    @property
    def data(self) -> Any:
        assert self._envelope["error"] is None
        return self._envelope["data"]

    @property
    def error(self) -> dict[str, Any]:
        assert self._envelope["data"] is None
        error: dict[str, Any] = self._envelope["error"]
        assert list(error) == ["code", "message", *(["fields"] if "fields" in error else []), "request_id", "docs_url"]
        assert error["request_id"] == self.headers["X-Request-Id"]
        assert error["docs_url"].endswith(f"/docs/errors#{error['code'].lower()}")
        return error

    @property
    def refusal(self) -> tuple[int, str]:
        return self.status, self.error["code"]

    @property
    def faults(self) -> list[str]:
        """The fields that a VALIDATION_ERROR names."""
        assert self.refusal == (400, "VALIDATION_ERROR")
        return list(self.error["fields"])


class Customer:
    """An account with a key of one mode: play money for `test`, an empty wallet for `live`."""

    def __init__(self, email: str = "alice@example.com", mode: str = "test") -> None:
        self.account, self.mode = account_of(email), Mode(mode)
        self.key, self.secret = keys.mint(self.account, self.mode, "program")
        self.http = Client(raise_request_exception=False, enforce_csrf_checks=True)

    def sign_in(self) -> None:
        """In the browser, that is: what is sent without an Authorization comes with the session's cookies."""
        self.http.force_login(self.account.members.get())
        self.csrf_token = "a" * 32
        self.http.cookies["csrftoken"] = self.csrf_token

    def send(self, method: str, path: str, body: Any = b"", **headers: str) -> Answer:
        """`body` is sent as it is if bytes, else as JSON. A header given as Name_With_Underscores replaces ours."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Authorization": f"Bearer {self.secret}", "Content-Type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        content_type = sent.pop("Content-Type")
        return Answer(self.http.generic(method, path, content, content_type, headers=sent))

    def get(self, path: str, **headers: str) -> Answer:
        return self.send("GET", path, **headers)

    def post(self, body: Any, **headers: str) -> Answer:
        """POST /v1/generate with exactly this body."""
        return self.send("POST", "/v1/generate", body, **headers)

    def generate(self, **fields: Any) -> Answer:
        """POST /v1/generate for an egg, but for `fields`."""
        return self.post(EGG | fields)

    @property
    def wallet(self) -> Wallet:
        wallet: Wallet = Wallet.objects.get(account=self.account, mode=self.mode)
        return wallet

    def leave(self, amount: int) -> None:
        """Moves money until the wallet has `amount` to spend."""
        if difference := amount - self.wallet.available:
            ledger.credit(self.account, self.mode, difference, reason="test")

    def assert_nothing_happened(self) -> None:
        """No task, no hold, and not a micro-dollar moved but by the credit that opened the wallet."""
        wallet = self.wallet
        assert (wallet.held, wallet.task_count) == (0, 0)
        assert not Task.objects.filter(account=self.account).exists()
        assert not Hold.objects.filter(wallet=wallet).exists()
        assert not LedgerEntry.objects.filter(wallet=wallet).exclude(kind="credit").exists()


def at_once(number: int, call: Callable[[int], T]) -> list[T]:
    """What `call(0)`, `call(1)`, ... return, all called at the same moment, each in a thread of its own."""
    start = threading.Barrier(number)

    def one(n: int) -> T:
        start.wait()
        try:
            return call(n)
        finally:
            connection.close()

    with ThreadPoolExecutor(number) as threads:
        return list(threads.map(one, range(number)))
