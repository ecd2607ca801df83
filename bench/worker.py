"""A worker that knows the vendor of the benchmark: `python -m bench.worker`."""

import signal
import threading

import django

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
    stop.wait()
    engine.stop(5)
    delivery.stop(5)
