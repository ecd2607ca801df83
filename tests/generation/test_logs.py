"""What the logs say of customers: which account, key and task, and not a word of theirs."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError

from billing import ledger
from eggapi.loop import Loop
from generation.models import Route, Task
from tests.customer import Customer
from tests.emulators.vendor import Vendor
from tests.generation.conftest import DOLLAR, ended
from tests.generation.past import add_task
from tests.kit.log import written

KEY = "egg_live_0123456789ABCDEFGHIJabcdefghij000000"


@pytest.mark.django_db(transaction=True)
def test_no_line_holds_what_belongs_to_a_customer(
    on_sale: None,
    vendor: Vendor,
    add_route: Callable[..., Route],
    engine: Loop[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A run through everything: accepted, refused, replayed, crashed, carried out well and badly, fetched."""
    add_route(vendor.url)
    alice = Customer(mode="live")
    alice.leave(DOLLAR)
    secret = {
        "prompt": "PROMPT-5E1C",
        "negative_prompt": "NEGATIVE-5E1C",
        "webhook_url": "https://webhook-5E1C.example/?QUERY-5E1C",
    }
    with written() as log:
        sent = {"Idempotency_Key": "IDEMPOTENCY-5E1C", "User_Agent": "AGENT-5E1C", "Cookie": "sessionid=COOKIE-5E1C"}
        for fault in ("ok", "refused", "e500", "cut", "drop"):
            alice.generate(**secret | {"prompt": f"PROMPT-5E1C vendor:{fault}"})
        for task in Task.objects.all():
            engine.wake()
            ended(task)
        alice.generate(**secret, num_outputs=9)
        for _ in range(3):
            alice.post({"model": "nanobanana"} | secret, **sent)
        alice.post(b'{"prompt": "PROMPT-5E1C', **sent)
        alice.get("/v1/tasks?model=QUERY-5E1C", **sent)
        alice.get("/v1/tasks", Authorization=f"Bearer {KEY}", **sent)
        alice.get("/v1/tasks", Authorization="Basic QUERY-5E1C", **sent)
        alice.http.get("/accounts/login/?next=QUERY-5E1C")

        def burst(*_: Any) -> None:
            raise IntegrityError(f"Failing row contains ({secret['prompt']}, {alice.secret})")

        monkeypatch.setattr(ledger, "write_holds", burst)
        assert alice.post({"model": "nanobanana"} | secret).refusal == (500, "INTERNAL_ERROR")
        monkeypatch.setattr(ledger, "reserve", lambda _: [float(f"{secret['prompt']} {alice.secret}")])
        assert alice.post({"model": "nanobanana"} | secret).refusal == (500, "INTERNAL_ERROR")
        monkeypatch.undo()
        url = alice.get(f"/v1/tasks/{add_task(alice, 'completed').id}").data["output"]["url"]
        alice.http.get(url)
    assert len(log.requests) > 15
    assert "5E1C" not in log.text
    assert alice.secret[9:] not in log.text
    assert KEY[9:] not in log.text
    assert "signature=" not in log.text
    assert not re.search(r"egg_(live|test)_|whsec_|[Bb]earer|Authorization|Cookie", log.text)
