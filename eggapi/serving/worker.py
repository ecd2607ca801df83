"""The Celery worker and beat as threads of the serving process."""

import logging
import os
import threading
import time

from celery.beat import Scheduler, Service
from celery.worker import state

from eggapi.celery import app
from eggapi.doorbell import ring

log = logging.getLogger("eggapi.worker")

THREADS = 4
PAUSE_SECONDS = 1.0
STOP_SECONDS = 3.0


class EmbeddedWorker(threading.Thread):
    """Runs a Celery worker, and another one should it end by itself."""

    def __init__(self) -> None:
        super().__init__(name="celery-worker", daemon=True)
        self._stopping = False
        self._beat = Service(app, max_interval=1, scheduler_cls=Scheduler)

    def start(self) -> None:
        os.environ["CELERY_SKIP_CHECKS"] = "1"  # they have run, in this very process
        super().start()
        threading.Thread(target=self._beat.start, name="celery-beat", daemon=True).start()

    def run(self) -> None:
        while not self._stopping:
            try:
                self._work()
            except Exception as error:  # nobody else would start it again
                log.error("the embedded worker ended", exc_info=error)
            time.sleep(0 if self._stopping else PAUSE_SECONDS)

    def _work(self) -> None:
        controller = app.WorkController(
            pool="threads",
            concurrency=THREADS,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
            loglevel="WARNING",
        )
        controller.start()

    def stop(self) -> None:
        """Lets running Celery tasks end; they are doorbells, so that is at once."""
        self._stopping = True
        self._beat.stop()
        state.should_stop = os.EX_OK  # type: ignore[assignment]
        until = time.monotonic() + STOP_SECONDS
        while self.is_alive() and time.monotonic() < until:
            ring("generation.tasks.advance")  # it looks up only between two messages
            self.join(0.1)
