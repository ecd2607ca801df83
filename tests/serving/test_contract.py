"""A live server keeps what /openapi.json says, whatever it is sent."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.request import HTTPCookieProcessor, Request, build_opener, urlopen

import pytest

from tests.serving.installation import ROOT, Installation

pytestmark = [pytest.mark.once, pytest.mark.timeout(240)]
EXAMPLES = "5"  # for each operation, besides those of the description and of its edges
SEED = "1"  # the same examples each time; to look for more, run it with other seeds and more examples
# All checks but this: a deleted task loses what it was made from and what was drawn; what it cost can be read on.
KEPT = "use_after_free"
CONFIGURATION = ROOT / "tests" / "serving" / "contract" / "schemathesis.toml"
SOMEBODY = "somebody@example.com"


def session_of(egg: Installation, email: str) -> str:
    """A session of the dashboard, for somebody who had no account before."""
    assert egg.manage("keys", "create", "--account", email, "--mode", "test", "--name", "own").returncode == 0
    link = egg.manage("login_link", email)
    jar = CookieJar()
    build_opener(HTTPCookieProcessor(jar)).open(link.stdout.strip(), timeout=20).close()
    return next(cookie.value or "" for cookie in jar if cookie.name == "sessionid")


def test_it_passes_every_check_of_schemathesis(
    install: Callable[..., Installation], empty_home: Path, tmp_path: Path
) -> None:
    egg = install(EGGAPI_TRUSTED_PROXIES="1", EGGAPI_SHED_SECONDS="1000")
    shutil.copytree(empty_home, egg.home)
    egg.start()
    session = session_of(egg, SOMEBODY)
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION), "run"]
    options = ["--checks", "all", "--exclude-checks", KEPT, "--max-examples", EXAMPLES, "--continue-on-failure"]
    tested = subprocess.run(
        [*command, f"{egg.url}/openapi.json", *options, "--seed", SEED, "--generation-database", "none", "--no-color"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "EGG_KEY": egg.key, "EGG_SESSION": session},
        capture_output=True,
        text=True,
    )
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert '"level": "error"' not in egg.log
    assert egg.call("GET", "/v1/balance")[0] == 200  # so the key was good to the end, and so was the session
    urlopen(Request(f"{egg.url}/v1/keys", headers={"Cookie": f"sessionid={session}"}), timeout=20).close()
