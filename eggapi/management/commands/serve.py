"""`manage.py serve`: all of EggAPI in one process."""

import logging.config
import os
import resource
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection

from accounts import links
from eggapi.command import OperatorCommand, email_address
from eggapi.doorbell import ring
from eggapi.serving import firstrun, home, lastrun, schema, web
from eggapi.serving.program import NoPicture
from eggapi.serving.web import WebServer
from eggapi.serving.worker import EmbeddedWorker
from generation import catalog, engine, vendors
from generation.models import Provider, Task
from webhooks import delivery

LOG_BYTES = 10_000_000
LOG_FILES = 3
LAST_DELIVERIES_SECONDS = 8.0


class Command(OperatorCommand):
    help = (
        "Serves web, worker and beat in this one process, on EGGAPI_HOME (default: var) and HOST:PORT"
        " (default: 127.0.0.1:8000, or the next free port)."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        os.umask(0o077)
        _open_many_files()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: sys.exit(0))
        folder = settings.EGGAPI_HOME
        try:
            with home.lock(folder), home.vanishing(folder / "url"):
                self._serve(folder)
        except (home.InUse, web.PortTaken, schema.Unusable) as fault:
            raise CommandError(str(fault)) from fault

    def _serve(self, folder: Path) -> None:
        """Whatever a client may rely on is in place before the first request is answered."""
        listener = web.listen(settings.EGGAPI_HOST, settings.EGGAPI_PORT, exact=settings.EGGAPI_PORT_IS_EXACT)
        settings.EGGAPI_LOCAL_URL = web.local_url(listener)
        if settings.EGGAPI_EMBEDDED:
            _log_to(folder / "eggapi.log")
        if not settings.EGGAPI_PORT_IS_EXACT and listener.getsockname()[1] != settings.EGGAPI_PORT:
            self._say("Port", f"{settings.EGGAPI_PORT} is taken; this is the next free one. PORT sets another.")
        if news := schema.prepare():
            self._say("Database", news)
        catalog.seed()
        for sentence in vendors.set_up():
            self._say("Provider", sentence)
        if settings.EGGAPI_EMBEDDED:
            lastrun.forget()
        user, account = firstrun.first_account(email_address(settings.EGGAPI_INIT_EMAIL))
        key = firstrun.demo_key(account, folder / "demo.key")
        home.write(folder / "url", f"{settings.EGGAPI_LOCAL_URL}\n")
        server = WebServer(listener)
        self._welcome(folder, links.make(user), key)
        if live_key := firstrun.live_key(account):
            self._say("Live key", f"{live_key}   (with $1.00 to start; it is not shown again)")
        wants_picture = not Task.objects.filter(account=account).exists()
        connection.close()
        if wants_picture:
            threading.Thread(target=self._first_picture, args=[folder, key], daemon=True).start()
        _run(server)

    def _welcome(self, folder: Path, sign_in: str, key: str) -> None:
        url = settings.EGGAPI_PUBLIC_URL or settings.EGGAPI_LOCAL_URL
        self._say("EggAPI is up", f"{url}   ({', '.join(_parts())})")
        self._say("Sign in once", f"{sign_in}   (within 10 minutes)")
        self._say("Your key", f"{key}   (saved in {home.shown(folder / 'demo.key')}, 0600)")
        self._say(
            "Try it",
            f"curl -s {url}/v1/generate -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json'"
            """ -d '{"model": "nanobanana", "prompt": "a teapot on the moon"}'""",
        )
        if settings.EGGAPI_EMBEDDED:
            self._say("Log", home.shown(folder / "eggapi.log"))

    def _first_picture(self, folder: Path, key: str) -> None:
        path = folder / "first-picture.png"
        try:
            firstrun.make_picture(settings.EGGAPI_LOCAL_URL, key, path)
            self._say("First picture", str(path))
        except NoPicture as fault:
            self._say("First picture", f"could not be made ({fault}). The server runs on.")

    def _say(self, what: str, text: str) -> None:
        self.stdout.write(f"{what:<14} {text}")
        self.stdout.flush()


def _open_many_files() -> None:
    """A thousand clients and as many upstream calls are a few thousand sockets."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _parts() -> list[str]:
    adapters = Provider.objects.filter(enabled=True).order_by("adapter").values_list("adapter", flat=True).distinct()
    return [
        "SQLite" if connection.vendor == "sqlite" else "PostgreSQL",
        "Redis" if settings.REDIS_URL else "in-process worker",
        f"S3 bucket {settings.EGGAPI_S3_BUCKET}" if settings.EGGAPI_S3_BUCKET else "local files",
        f"{' and '.join(adapters)} provider",
    ]


def _log_to(path: Path) -> None:
    """The whole log goes to a file; the terminal gets what is wrong, and otherwise stays readable.

    Said in the settings, because Celery sets Django up once more.
    """
    logs: dict[str, Any] = settings.LOGGING
    logs["handlers"]["stderr"]["level"] = "WARNING"
    logs["handlers"]["file"] = {
        "class": "logging.handlers.RotatingFileHandler",
        "formatter": "json",
        "filename": path,
        "maxBytes": LOG_BYTES,
        "backupCount": LOG_FILES,
    }
    logs["root"]["handlers"] = ["stderr", "file"]
    logging.config.dictConfig(logs)


def _run(server: WebServer) -> None:
    """Until a signal: then answers what was asked, and ends the loops when their paid calls have ended."""
    worker = EmbeddedWorker()
    signal.signal(signal.SIGTERM, lambda *_: server.stop())
    signal.signal(signal.SIGINT, lambda *_: os._exit(130) if server.stopping else server.stop())
    worker.start()
    ring("generation.tasks.advance")
    ring("webhooks.tasks.deliver")
    server.run()
    worker.stop()
    courier = threading.Thread(target=delivery.stop, args=[LAST_DELIVERIES_SECONDS])
    courier.start()
    engine.stop(settings.EGGAPI_DRAIN_SECONDS)
    courier.join()
