"""Ringing a Celery task awake: "there is something to do", perhaps with which row. The rest stands in the database."""

import logging
import os
import threading
import time

from eggapi.celery import app

log = logging.getLogger("eggapi.doorbell")

GAP_SECONDS = 0.05
EXPIRES_SECONDS = 30  # whoever was not in by then has looked for work himself since
CONNECT_SECONDS = 2
COMPLAIN_SECONDS = 60.0

Ring = tuple[str, tuple[tuple[str, str], ...]]  # the name of a Celery task, and the ids it is given


class Doorbell:
    """A thread that publishes what was rung, the same at most once per gap, so that callers never meet the broker."""

    def __init__(self) -> None:
        self._rung: set[Ring] = set()
        self._news = threading.Condition()
        self._thread: threading.Thread | None = None
        self._connection = app.connection_for_write(connect_timeout=CONNECT_SECONDS)
        self._complained_at = -COMPLAIN_SECONDS

    def ring(self, rung: Ring) -> None:
        with self._news:
            self._rung.add(rung)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="doorbell", daemon=True)
                self._thread.start()
            self._news.notify()

    def _run(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._rung)
                rung, self._rung = self._rung, set()
            for task_name, ids in rung:
                self._publish(task_name, dict(ids))
            time.sleep(GAP_SECONDS)

    def _publish(self, task_name: str, ids: dict[str, str]) -> None:
        try:
            producer = app.amqp.Producer(self._connection)
            app.send_task(
                task_name, kwargs=ids, producer=producer, ignore_result=True, expires=EXPIRES_SECONDS, retry=False
            )
        except Exception as error:  # whatever is wrong with the broker: the sweep comes by within a second
            self._connection.collect()  # the next publication connects anew
            self._complain(error)

    def _complain(self, error: Exception) -> None:
        if time.monotonic() - self._complained_at >= COMPLAIN_SECONDS:
            self._complained_at = time.monotonic()
            log.warning("cannot reach the broker; work waits for the sweep", extra={"cause": type(error).__name__})


_doorbell = Doorbell()


def ring(task_name: str, **ids: str) -> None:
    """Has the named Celery task run soon. Returns at once and never fails: a lost ring costs time, not work."""
    _doorbell.ring((task_name, tuple(ids.items())))


def _renew() -> None:
    """Neither the thread nor a connection survives a fork, and the lock may have been held."""
    global _doorbell
    _doorbell = Doorbell()


os.register_at_fork(after_in_child=_renew)
