"""Every fault of every vendor, and what the customer sees and pays. The table is published in docs/faults.md.

All tasks run at once, each on a chain of its own: the vendor with the fault first, then one that is well.
`UPDATE_DOCS=1` writes the page.
"""

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command

from accounts.caller import Caller
from accounts.models import Account, Mode
from billing import ledger
from eggapi import clock, crypto, money
from eggapi.loop import Loop
from generation import catalog
from generation.models import Attempt, ImageModel, Price, Provider, Purchase, Route, Task
from generation.providers import ADAPTERS
from generation.submit import submit
from tests.emulators.upstream import Upstream
from tests.emulators.vendor import Speaks, Vendor
from tests.emulators.vendors import VENDORS
from tests.emulators.vendors import Vendor as Entry
from tests.generation.conftest import DOLLAR, ended

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres_only, pytest.mark.timeout(300)]

PAGE = Path(settings.BASE_DIR) / "docs" / "faults.md"
DEADLINE = 40
FAULTS = {
    "ok": "Nothing is wrong",
    "e503": "Busy, and says so",
    "e429-2": "429, Retry-After 2",
    "e429-3600": "429, Retry-After 3600",
    "e429-garbage": "429, Retry-After unreadable",
    "refused": "Prompt refused",
    "bad-request": "400 nobody documents",
    "e500": "500 after taking the job",
    "drop": "Connection dropped after taking the job",
    "wrong-json": "HTML instead of JSON",
    "odd-json": "JSON of the wrong types",
    "huge-json": "50 MB of JSON",
    "drip": "The answer drips, a byte a second",
    "stuck": "Never done",
    "late": "Done after the deadline",
    "flapping": "Errors in between",
    "odd-state": "A state nobody documents",
    "empty": "Done, without a picture",
    "bad-bytes": "The picture is HTML",
    "truncated": "The picture is cut off",
    "bomb": "The picture unfolds to 900 megapixels",
    "slow-file": "The picture drips, a byte a second",
    "expired": "The picture's address has expired",
    "private": "The picture's address redirects to a private one",
    "private-url": "The picture's address is a private one",
}
# What only a vendor that is polled, or that names its pictures by address, can do.
POLLED_ONLY = {"odd-state", "slow-file", "expired", "private", "private-url"}

# What becomes of the purchase at the vendor with the fault, and how many of them it billed.
DESIGN: dict[str, tuple[str, int]] = {
    "ok": ("done", 1),
    "e503": ("rejected", 0),
    "e429-2": ("rejected", 0),
    "e429-3600": ("rejected", 0),
    "e429-garbage": ("rejected", 0),
    "refused": ("refused", 0),
    "bad-request": ("rejected", 0),
    "e500": ("unknown", 1),
    "drop": ("unknown", 1),
    "wrong-json": ("unknown", 1),
    "odd-json": ("unknown", 1),
    "huge-json": ("unknown", 1),
    "drip": ("too late", 1),
    "stuck": ("too late", 1),
    "late": ("too late", 1),
    "flapping": ("done", 1),
    "odd-state": ("done", 1),
    "empty": ("no image", 1),
    "bad-bytes": ("no image", 1),
    "truncated": ("no image", 1),
    "bomb": ("no image", 1),
    "slow-file": ("too late", 1),
    "expired": ("no image", 1),
    "private": ("no image", 1),
    "private-url": ("no image", 1),
}


def designed(vendor: Entry, fault: str) -> tuple[str, int]:
    if vendor.synchronous and fault == "flapping":
        return "rejected", 0  # a submit that is turned away is tried elsewhere first
    return DIFFERENT.get((vendor.adapter, fault), DESIGN[fault])


DIFFERENT = {
    ("nananobanana", "refused"): ("refused", 1),  # takes its credits for refusals too
    ("replicate", "e503"): ("unknown", 0),  # documents no 503 that took nothing
}


@pytest.fixture
def chain(on_sale: None, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """A model of its own with two routes, the second to a vendor that is well; returns its name."""
    monkeypatch.setitem(ADAPTERS, Speaks.name, Speaks)

    def make(entry: Entry, upstream: Upstream, fault: str, second: Vendor) -> str:
        for wait in ("first_poll", "poll_every", "poll_slowest"):
            monkeypatch.setattr(ADAPTERS[entry.adapter], wait, 0.3)
        name = f"{entry.adapter}-{fault}"
        model = ImageModel.objects.create(name=name, description="", resolutions=["1k"])
        Price.objects.create(model=model, resolution="1k", amount=10_000, since=clock.now())
        credential = crypto.encrypt(upstream.key)
        first = Provider.objects.create(
            name=name, adapter=entry.adapter, base_url=upstream.base_url, credential_encrypted=credential
        )
        other = Provider.objects.create(name=f"{name}-second", adapter=Speaks.name, base_url=second.url)
        for priority, (provider, upstream_model) in enumerate([(first, entry.fast), (other, "fast")]):
            Route.objects.create(
                model=model, provider=provider, upstream_model=upstream_model, label="", priority=priority, cost=5000
            )
        return name

    return make


def fate(task: Task, upstream: Upstream) -> tuple[str, int]:
    """What became of the first purchase, and how many the vendor billed."""
    attempts = list(Attempt.objects.filter(task=task).order_by("n"))
    purchase = Purchase.objects.get(attempt=attempts[0])
    billed = upstream.billed[task.prompt]
    if task.ended == "deadline":
        return "too late", billed
    if purchase.outcome == "no_image":
        return "no image", billed
    if purchase.outcome in {"refused", "unknown"}:
        return purchase.outcome, billed
    return purchase.state, billed


def shown(task: Task, fate: tuple[str, int]) -> str:
    """A cell of the page."""
    attempts = Attempt.objects.filter(task=task).count()
    end = {1: "here", 2: "fallback"}[attempts] if task.status == "completed" else "failed"
    return f"{fate[0]}, {fate[1]} billed → {end}, {money.display(task.cost)}"


def test_every_fault_of_every_vendor_ends_as_designed(
    account: Account, alice: Caller, chain: Callable[..., str], engine: Loop[Any]
) -> None:
    ledger.credit(account, Mode.LIVE, 10 * DOLLAR, reason="test")
    with ExitStack() as stack:
        second = stack.enter_context(Vendor())
        second.overrides = {"fault": "ok"}
        running = {entry: stack.enter_context(entry.emulator()) for entry in VENDORS}
        cells = {
            (fault, entry): chain(entry, upstream, fault, second)
            for entry, upstream in running.items()
            for fault in FAULTS
            if not (entry.synchronous and fault in POLLED_ONLY)
        }
        catalog.changed()
        catalog._forget()
        tasks = {
            (fault, entry): submit(
                alice,
                {"model": model, "prompt": f"{model} fault:{fault.replace('ok', '')}", "deadline_seconds": DEADLINE},
            )[0]
            for (fault, entry), model in cells.items()
        }
        engine.wake()
        for task in tasks.values():
            ended(task, 150)
        found = {cell: fate(task, running[cell[1]]) for cell, task in tasks.items()}
    wrong = {
        f"{fault} at {entry}": (found[fault, entry], designed(entry, fault))
        for fault, entry in cells
        if found[fault, entry] != designed(entry, fault)
    }
    assert wrong == {}
    for (fault, entry), task in tasks.items():
        became, _ = found[fault, entry]
        completes = became not in {"refused", "too late"}
        assert (task.status, task.cost) == (("completed", 10_000) if completes else ("failed", 0)), (fault, entry)
        fell_back = sum(job["prompt"] == task.prompt for job in second.seen)
        assert fell_back == (1 if completes and became != "done" else 0)
    call_command("audit_ledger")
    page = rendered({cell: shown(task, found[cell]) for cell, task in tasks.items()})
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(page)
    assert PAGE.read_text() == page


def rendered(cells: dict[tuple[str, Entry], str]) -> str:
    lines = [
        INTRODUCTION,
        "| fault | " + " | ".join(entry.adapter for entry in VENDORS) + " |",
        "|---" * (len(VENDORS) + 1) + "|",
        *(
            f"| {words} | " + " | ".join(cells.get((fault, entry), "-") for entry in VENDORS) + " |"
            for fault, words in FAULTS.items()
        ),
    ]
    return "\n".join(lines) + "\n"


INTRODUCTION = """# What happens when an upstream fails

Made by `tests/generation/test_fault_table.py`, which runs every fault of every vendor against an emulator of it:
a real HTTP server that counts what it would bill. Each task has two routes, of which the first has the fault
and the second is well.

A cell says what became of the request to the first vendor and how many requests it billed, then where the
task completed, if it did, and what the customer paid. "Unknown" means that nobody could say whether the vendor
took the job: it is never sent there again. "Too late" means that the deadline came first.
"""
