"""The programs we give people to copy, run as they stand against a server."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from generation import snippets
from tests.node import NODE
from tests.serving.installation import Installation

pytestmark = pytest.mark.once
BODY = {
    "model": "nanobanana",
    "prompt": 'It\'s an "egg" for $5 \\ `x` ümläut\nand {more}',
    "seed": 7,
    "metadata": {"note": "for ${you}: true"},
}
PROGRAMS = {
    "curl": ["bash", "-c"],
    "Python": [sys.executable, "-c"],
    "JavaScript": [NODE, "--input-type=module", "-e"],
}
QUICKSTART = Path(__file__).parents[2] / "docs/quickstart.md"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, empty_home: Path) -> Iterator[Installation]:
    home = tmp_path_factory.mktemp("snippets") / "home"
    shutil.copytree(empty_home, home)
    installation = Installation(home).start()
    yield installation
    installation.kill()


@pytest.mark.parametrize("with_key", [True, False])
@pytest.mark.parametrize("language", PROGRAMS)
def test_it_runs(served: Installation, language: str, with_key: bool) -> None:
    program = dict(snippets.languages(BODY, served.url, served.key if with_key else ""))[language]
    environment = {**os.environ, "no_proxy": "*", snippets.VARIABLE: "" if with_key else served.key}
    ran = subprocess.run(
        [*PROGRAMS[language], program], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    if language == "curl":
        assert json.loads(ran.stdout)["data"]["status"] == "pending"
    else:
        assert f"{served.url}/files/images/gen_" in ran.stdout
    newest = served.call("GET", "/v1/tasks?per_page=1")[1]["items"][0]
    assert served.call("GET", f"/v1/tasks/{newest['id']}/receipt")[1]["metadata"] == BODY["metadata"]


@pytest.mark.parametrize(
    ("language", "shows"), [("Python", 'print(task["status"])'), ("JavaScript", "console.log(now.status)")]
)
def test_the_quickstart_runs(served: Installation, language: str, shows: str) -> None:
    """Each of its programs, in the shell that its first lines have set up."""
    text = QUICKSTART.read_text().replace("var/demo.key", f"{served.home}/demo.key")
    text = text.replace("http://127.0.0.1:8000", served.url)
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    setup = next(code for name, code in blocks if name == "bash")
    program = "\n".join([*(code for name, code in blocks if name == language.lower()), shows])
    ran = subprocess.run(
        ["bash", "-c", f'{setup}exec "$@"', "bash", *PROGRAMS[language], program],
        env={**os.environ, "no_proxy": "*"}, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert ran.stdout == "completed\n"
