"""What may have killed its process is driven alone, and the rest does not wait for it."""

import asyncio
import threading
import time
from collections.abc import Sequence

import pytest
from django.conf import settings

from eggapi import loop
from eggapi.loop import Loop

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.once]


class Errands:
    """One ordinary errand that never ends, and as many suspects as are asked for."""

    name = "errands"
    capacity = 10

    def __init__(self) -> None:
        self.is_begun = False
        self.driven: list[str] = []
        self.suspects_at: list[float] = []
        self.three_suspects, self.ordinary = threading.Event(), threading.Event()

    def claim(self, room: list[int]) -> Sequence[Sequence[str]]:
        first, self.is_begun = not self.is_begun, True
        return [["ordinary"] if first else []]

    def claim_suspect(self, room: list[int]) -> Sequence[Sequence[str]]:
        self.suspects_at.append(time.monotonic())
        if len(self.suspects_at) == 4:
            self.three_suspects.set()
        return [["suspect"]]

    def renew(self, items: list[str]) -> Sequence[object]:
        return items

    release = give_back = renew

    def must_finish(self, item: str) -> bool:
        return False

    async def open(self, running: Loop[str]) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def drive(self, item: str) -> float | None:
        self.driven.append(item)
        if item == "ordinary":
            self.ordinary.set()
        await asyncio.Event().wait()
        return None


def test_two_suspects_are_well_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a loop that has many of them would claim nothing else."""
    monkeypatch.setattr(loop, "SUSPECTS_SECONDS", 0.3)
    monkeypatch.setattr(loop, "ALONE_SECONDS", 0.2)
    monkeypatch.setattr(loop, "IDLE_SECONDS", 0.05)
    errands = Errands()
    running = Loop(errands)
    running.start()
    assert errands.three_suspects.wait(20)
    running.stop(1)
    _, second, third, fourth = errands.suspects_at[:4]
    assert min(third - second, fourth - third) >= 2 * 0.2 + 0.3
    assert errands.driven[:3] == ["suspect", "ordinary", "suspect"]


def test_no_suspect_keeps_others_waiting_until_submissions_are_refused() -> None:
    assert 2 * loop.ALONE_SECONDS <= settings.EGGAPI_SHED_SECONDS / 2


def test_suspects_that_cannot_be_claimed_stop_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Errands, room: list[int]) -> Sequence[Sequence[str]]:
        raise RuntimeError("one of them cannot be given up")

    monkeypatch.setattr(Errands, "claim_suspect", fail)
    errands = Errands()
    running = Loop(errands)
    running.start()
    assert errands.ordinary.wait(10)
    running.stop(1)
