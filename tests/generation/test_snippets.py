"""Programs to copy: what the browser writes is what the server writes, and all of them run."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles import finders

from generation import snippets
from tests.node import NODE

BODIES: list[dict[str, Any]] = [
    {"model": "nanobanana", "prompt": "an egg"},
    {
        "model": "nanobanana-pro",
        "prompt": 'It\'s a "test" \\ `$HOME` ${x} {y} </pre>\nnew line \u2028 \x07 tab\t: true',
        "num_outputs": 2,
        "seed": 0,
        "image_urls": ["https://example.com/a.png", "https://example.com/ä's.png"],
        "metadata": {"a": "null", "k: true": "x"},
        "dry_run": True,
        "nothing": None,
    },
    {"model": "m", "prompt": "p", "image_urls": [], "metadata": {}},
]
BASE = "http://127.0.0.1:8000"


def test_it_works() -> None:
    assert snippets.curl({"model": "nanobanana", "prompt": "an egg's shell"}, BASE, "egg_test_x") == (
        "curl http://127.0.0.1:8000/v1/generate \\\n"
        '  -H "Authorization: Bearer egg_test_x" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        "  -d '{\n"
        '  "model": "nanobanana",\n'
        '  "prompt": "an egg\'\\\'\'s shell"\n'
        "}'"
    )


def test_without_a_key_it_names_a_variable() -> None:
    curl, python, javascript = (text for _, text in snippets.languages(BODIES[0], BASE))
    assert "Bearer $EGGAPI_KEY" in curl
    assert "os.environ['EGGAPI_KEY']" in python
    assert "process.env.EGGAPI_KEY" in javascript


def test_python_reads_the_body_as_it_was() -> None:
    for body in BODIES:
        text = snippets.python(body, BASE)
        literal = text.partition("\nbody = ")[2].partition("\n\nreply")[0]
        assert eval(literal) == body


@pytest.mark.once
def test_the_browser_writes_the_same() -> None:
    script = (
        f"import * as s from {json.dumps(Path(str(finders.find('eggapi/snippets.js'))).as_uri())};"
        f"const bodies = {json.dumps(BODIES)};"
        f"const base = {json.dumps(BASE)};"
        "console.log(JSON.stringify(bodies.map((b) => [s.curl(b, base), s.python(b, base), s.javascript(b, base)])));"
    )
    ran = subprocess.run([NODE, "--input-type=module", "-e", script], capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout) == [[text for _, text in snippets.languages(body, BASE)] for body in BODIES]
