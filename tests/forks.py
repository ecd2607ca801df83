"""Processes of the product's own, to be stopped and killed: forked from one that has loaded everything already.

A new interpreter would need more than a second of a core to come so far. They stand in the environment that the
first of them was started in.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection

_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(["tests.loaded"])


class Fork:
    """Runs `main(ready, *arguments)`, a function of some module, which is to call `ready()` once it is at work."""

    def __init__(self, main: Callable[..., None], *arguments: str) -> None:
        self._ready, told = _forks.Pipe(duplex=False)
        self._process = _forks.Process(target=_run, args=(told, main, *arguments), daemon=True)
        self._process.start()
        told.close()

    def wait_until_ready(self) -> None:
        """Raises EOFError where it ends before that."""
        self._ready.recv()

    def send_signal(self, number: signal.Signals) -> None:
        assert self._process.pid
        os.kill(self._process.pid, number)

    def terminate(self) -> None:
        self._process.terminate()

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, seconds: float) -> int | None:
        """The exit code, negative for a signal; None if it still runs."""
        self._process.join(seconds)
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()
        self._process.join()
        self._ready.close()


def _run(told: Connection, main: Callable[..., None], *arguments: str) -> None:
    main(lambda: told.send(None), *arguments)
