"""A real browser, and one installation with a month of history that all processes of a run share.

Without Chromium (on PATH, or named by CHROMIUM) these tests are skipped, which says so once and loudly.
"""

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from playwright.sync_api import Browser, Page, StorageState, expect, sync_playwright

from tests.servers import free_port
from tests.serving.installation import OURS, PATIENCE_SECONDS, ROOT, Installation

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome") or ""
WIDTHS = {1440: 1000, 390: 844}
# Chromium and htmx say this themselves of every answer that is no 2xx, which some tests ask for.
EXPECTED = re.compile(
    r"(Failed to load resource: the server responded with a status of|Response Status Error Code)"
    r" (400|403|404|410|422|429|503)"
)
expect.set_options(timeout=30_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.once)
            item.add_marker(pytest.mark.timeout(300))  # the first pays for the site as well
            if not CHROMIUM:
                item.add_marker(pytest.mark.skip(reason="NO BROWSER TESTS: no Chromium on PATH or in CHROMIUM"))


@dataclass
class Site:
    """Where the installation answers, and the sessions of its operator, who owns the demo's account.

    `ports` are those of 127.0.0.1 that it may call: receivers and vendors of the tests listen there.
    """

    url: str
    home: Path
    operator: StorageState
    ports: list[int]

    def manage(self, *command: str) -> str:
        """What a command of this installation prints."""
        plain = {name: value for name, value in os.environ.items() if name not in OURS}
        done = subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=ROOT,
            env={**plain, "EGGAPI_HOME": str(self.home)},
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    @contextmanager
    def alone(self, with_what: str) -> Iterator[None]:
        """While one process of this run is in it, no other is."""
        with open(self.home.parent / f"{with_what}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site(browser: Browser) -> Site:
    """Started by whoever asks first, for all processes of this run; the run's end stops it."""
    folder = Path(os.environ["EGGAPI_TEST_FOLDER"])
    with open(folder / "site.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = folder / "site.json"
        if not kept.exists():
            kept.write_text(json.dumps(_start(folder, browser)))
        found: dict[str, Any] = json.loads(kept.read_text())
    return Site(found["url"], Path(found["home"]), cast(StorageState, found["operator"]), found["ports"])


_started: list[Installation] = []  # held, as its end is not for whoever started it


def _start(folder: Path, browser: Browser) -> dict[str, Any]:
    ports = [free_port() for _ in range(10)]
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    egg = Installation(folder / "site", EGGAPI_PRIVATE_HOSTS_ALLOWED=hosts).start()
    _started.append(egg)
    assert egg.process
    (folder / "site.pid").write_text(str(egg.process.pid))
    filled = egg.manage("demo", "--tasks", "300")
    assert filled.returncode == 0, filled.stderr
    return {"url": egg.url, "home": str(egg.home), "operator": sign_in(browser, egg), "ports": ports}


def sign_in(browser: Browser, egg: Installation, email: str = "demo@example.com") -> StorageState:
    context = browser.new_context()
    context.new_page().goto(egg.manage("login_link", email).stdout.strip())
    state = context.storage_state()
    context.close()
    return state


class Guard:
    """Notes whatever a page must not do: ask another origin, break its policy, or stumble in a script."""

    def __init__(self, page: Page, url: str) -> None:
        self.wrong: list[str] = []
        page.on("request", lambda request: self._asked(request.url, url))
        page.on("console", lambda message: self._said(message.type, message.text))
        page.on("pageerror", lambda error: self.wrong.append(f"{page.url}: {error}"))

    def _asked(self, address: str, ours: str) -> None:
        if not address.startswith((f"{ours}/", "data:", "blob:")):
            self.wrong.append(f"asks {address}")

    def _said(self, kind: str, text: str) -> None:
        if kind == "error" and not EXPECTED.match(text):
            self.wrong.append(f"console: {text}")


@dataclass
class Visit:
    """One window: `page` to act in, `wrong` for what must stay empty."""

    page: Page
    guard: Guard

    @property
    def wrong(self) -> list[str]:
        return self.guard.wrong


class Visitor:
    """Opens windows, and closes them."""

    def __init__(self, browser: Browser, site: Site) -> None:
        self._browser, self._site = browser, site
        self._open: list[Any] = []

    def __call__(
        self, theme: str = "light", width: int = 1440, *, operator: bool = False, javascript: bool = True
    ) -> Visit:
        context = self._browser.new_context(
            base_url=self._site.url,
            color_scheme="dark" if theme == "dark" else "light",
            viewport={"width": width, "height": WIDTHS[width]},
            java_script_enabled=javascript,
            storage_state=self._site.operator if operator else None,
            permissions=["clipboard-read", "clipboard-write"],
            reduced_motion="reduce",
        )
        context.set_default_timeout(20_000)
        self._open.append(context)
        page = context.new_page()
        return Visit(page, Guard(page, self._site.url))

    def close(self) -> None:
        for context in self._open:
            context.close()


@pytest.fixture
def visit(browser: Browser, site: Site) -> Iterator[Visitor]:
    visitor = Visitor(browser, site)
    yield visitor
    visitor.close()
