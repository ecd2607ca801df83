"""How finished pictures are brought home, whatever a vendor says of where they are."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from accounts.caller import Caller
from eggapi.loop import Loop
from generation import collect
from generation.models import Attempt, Purchase, Route, Task
from generation.sandbox import upstream
from generation.submit import submit
from tests.emulators.kie import Kie
from tests.emulators.vendor import Vendor

pytestmark = pytest.mark.django_db(transaction=True)

AddRoute = Callable[..., Route]
Run = Callable[..., Task]

JOB = {
    "sandbox": "a",
    "client_ref": "",
    "model": "nanobanana",
    "prompt": "an egg",
    "negative_prompt": "",
    "aspect_ratio": "16:9",
    "resolution": "1k",
    "output_format": "png",
    "images": 1,
    "seed": None,
    "references": [],
}


def sandbox_picture() -> str:
    """The address of a finished picture of the sandbox's."""
    job = upstream.answer("POST", "/jobs", JOB, now=0.0).json["id"]
    return f"sandbox:/images/{job}/0"


@pytest.mark.parametrize(
    "url", ["data:image/png;base64,iVBORw0KGgo=", "file:///etc/hostname", "/files/a.png", "sandbox"]
)
def test_an_address_that_is_none_is_no_picture(
    url: str, alice: Caller, vendor: Vendor, add_route: AddRoute, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = sandbox_picture() if url == "sandbox" else url
    monkeypatch.setattr(vendor, "_images", lambda job: [address])
    with Vendor() as healthy:
        add_route(vendor.url)
        add_route(healthy.url)
        task = run(alice, "an egg")
    assert (task.status, task.cost) == ("completed", 10_000)
    assert list(Attempt.objects.order_by("n").values_list("outcome", flat=True)) == ["no_image", ""]


def test_a_vendor_whose_files_are_slow_holds_up_nobody_else(
    alice: Caller, vendor: Vendor, add_route: AddRoute, sell: AddRoute, run: Run, engine: Loop[Any]
) -> None:
    with Kie() as slow:
        sell(slow, "kie", "nano-banana-pro", model="nanobanana-pro")
        add_route(vendor.url)
        for _ in range(collect.AT_ONCE + 1):
            submit(alice, {"model": "nanobanana-pro", "prompt": "an egg fault:slow-file"})
        engine.wake()
        while not all(ask.polls for ask in slow.asked) or Purchase.objects.exclude(state="accepted").exists():
            time.sleep(0.02)
        assert run(alice, "an egg").status == "completed"
