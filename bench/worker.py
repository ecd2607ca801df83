"""A worker that knows the vendor of the benchmark: `python -m bench.worker`.

There is no Celery to ring the bell, so it looks by itself as often as a busy installation rings.
"""

import signal
import threading

import django

RING_SECONDS = 0.05

if __name__ == "__main__":
    django.setup()

    from bench.vendor import register
    from generation import engine
    from webhooks import delivery

    register()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    engine.wake()
    delivery.wake()
    while not stop.wait(RING_SECONDS):
        engine.wake()
    engine.stop(5)
    delivery.stop(5)
