"""An installation of its own: `manage.py serve` as a process, in a folder and on a port that nobody else uses."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from tests.servers import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
READY_SECONDS = 90
PATIENCE_SECONDS = 60
OURS = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "PORT", "HOST", "EGGAPI_POOL")


class Installation:
    """Where EggAPI is served from. `environment` says what differs from the embedded default."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home = home
        self.port = free_port()
        plain = {name: value for name, value in os.environ.items() if name not in OURS}
        self.environment = {**plain, "EGGAPI_HOME": str(home), "PORT": str(self.port), **environment}
        self.process: subprocess.Popen[str] | None = None
        home.parent.mkdir(parents=True, exist_ok=True)
        self.printed = home.with_suffix(".out")

    # -- the process -----------------------------------------------------------------------------

    def start(self) -> "Installation":
        """Returns when /readyz answers 200."""
        with open(self.printed, "a") as out:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "serve"],
                cwd=ROOT,
                env=self.environment,
                stdout=out,
                stderr=out,
                text=True,
            )
        self.wait_for(self.is_ready, READY_SECONDS)
        return self

    def is_ready(self) -> bool:
        assert self.process
        assert self.process.poll() is None, self.printed.read_text()
        try:
            return self.call("GET", "/readyz", key="")[0] == 200
        except (URLError, ConnectionError, FileNotFoundError):
            return False

    def signal(self, number: signal.Signals) -> int:
        """Sends a signal; returns the exit code."""
        assert self.process
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE_SECONDS)
        self.process = None
        return code

    def stop(self) -> int:
        return self.signal(signal.SIGTERM)

    def kill(self) -> int:
        return self.signal(signal.SIGKILL)

    def wait_for(self, condition: Any, seconds: float = PATIENCE_SECONDS) -> None:
        until = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < until, self.printed.read_text()
            time.sleep(0.1)

    def manage(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )

    # -- its customer ----------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return (self.home / "url").read_text().strip()

    @property
    def key(self) -> str:
        return (self.home / "demo.key").read_text().strip()

    def call(self, method: str, path: str, body: Any = None, key: str | None = None) -> tuple[int, Any]:
        """(status, what the envelope holds)"""
        headers = {"Authorization": f"Bearer {self.key if key is None else key}", "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        try:
            with urlopen(Request(self.url + path, data, headers, method=method), timeout=20) as reply:
                return reply.status, json.load(reply)["data"]
        except HTTPError as error:
            return error.code, json.load(error)["error"]

    def post_tasks(self, number: int, prompt: str, at_once: int = 16) -> list[str]:
        """Posts that many tasks, none of which may be refused; returns their ids."""
        bodies = [{"model": "nanobanana", "prompt": f"{prompt} {n}"} for n in range(number)]
        with ThreadPoolExecutor(at_once) as pool:
            answers = list(pool.map(lambda body: self.call("POST", "/v1/generate", body), bodies))
        assert {status for status, _ in answers} == {202}
        return [task["id"] for _, task in answers]

    def statuses(self, tasks: list[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for page in range(1, 2 + len(tasks) // 100):
            listed = self.call("GET", f"/v1/tasks?per_page=100&page={page}")[1]
            found |= {task["id"]: task["status"] for task in listed["items"] if task["id"] in tasks}
        return found

    def wait_until_ended(self, tasks: list[str], seconds: float = PATIENCE_SECONDS) -> dict[str, str]:
        self.wait_for(lambda: {"pending", "processing"}.isdisjoint(self.statuses(tasks).values()), seconds)
        ended = self.statuses(tasks)
        assert len(ended) == len(tasks)
        return ended

    def purchases(self) -> dict[str, int]:
        """What the sandbox sold, by task."""
        stats = self.manage("sandbox", "stats")
        assert stats.returncode == 0, stats.stderr
        by_task: dict[str, int] = json.loads(stats.stdout)
        return by_task

    @property
    def log(self) -> str:
        return (self.home / "eggapi.log").read_text() + self.printed.read_text()
