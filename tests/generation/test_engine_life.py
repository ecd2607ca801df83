"""The engine of a process is there again after it could not start, or died."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from eggapi.loop import Loop
from generation import engine
from generation.engine import TaskWork

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.once,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]


@pytest.fixture(autouse=True)
def _no_engine_is_left() -> Iterator[None]:
    yield
    engine.stop(5)
    assert engine._engine is None


def alive() -> set[str]:
    return {thread.name for thread in threading.enumerate()} & {"engine", "engine-desk"}


def test_one_that_could_not_start_is_started_by_the_next_ring(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any) -> None:
        raise OSError("too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(TaskWork, "open", fail)
        for _ in range(2):
            with pytest.raises(RuntimeError, match="engine did not start"):
                engine.wake()
    for thread in threading.enumerate():
        if thread.name == "engine":
            thread.join()
    assert alive() == set()
    engine.wake()
    assert alive() == {"engine", "engine-desk"}


@pytest.fixture
def dead(monkeypatch: pytest.MonkeyPatch) -> Loop[Any]:
    async def die(self: Loop[Any]) -> None:
        raise MemoryError

    engine.wake()
    loop = engine._engine
    assert loop is not None
    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_wait", die)
        loop.join()
    return loop


def test_one_that_died_is_replaced(dead: Loop[Any]) -> None:
    engine.wake()
    assert engine._engine is not dead
    assert alive() == {"engine", "engine-desk"}


def test_one_that_died_can_be_stopped(dead: Loop[Any]) -> None:
    engine.stop(5)
    assert alive() == set()
