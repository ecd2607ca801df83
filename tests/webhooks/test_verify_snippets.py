"""What the pages tell a receiver to run does verify what we send, and refuses the rest."""

import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.node import NODE
from webhooks import signing
from webhooks import views as pages

pytestmark = pytest.mark.once
PAYLOAD = b'{"event":"task.completed","data":{"metadata":{"order":"<b>1234</b>"}}}'
SECRET = "whsec_" + "5" * 43 + "="


def snippet(language: str) -> str:
    text = Path(pages.__file__).with_name("verify.md").read_text()
    (found,) = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return str(found)


def cases() -> list[tuple[dict[str, str], bytes, bool]]:
    """(headers, body, whether it is genuine)"""
    now = int(time.time())
    sent = signing.headers("msg_0123456789abcdefghijklmn", PAYLOAD, now, [SECRET])
    return [
        (sent, PAYLOAD, True),
        (sent, PAYLOAD + b" ", False),
        ({}, PAYLOAD, False),
        (sent | {"X-EggAPI-Signature": "gärbage"}, PAYLOAD, False),
        (signing.headers("msg_0123456789abcdefghijklmn", PAYLOAD, now - 360, [SECRET]), PAYLOAD, False),
    ]


def test_the_python_snippet_verifies() -> None:
    scope: dict[str, Any] = {}
    exec(snippet("python"), scope)
    verify: Callable[..., Any] = scope["verify"]
    for headers, body, genuine in cases():
        assert verify(SECRET, headers, body) == (orjson.loads(PAYLOAD) if genuine else None)
    assert verify(SECRET + "x", *cases()[0][:2]) is None


def test_the_javascript_snippet_verifies() -> None:
    calls = [
        [SECRET, {name.lower(): value for name, value in headers.items()}, body.decode()]
        for headers, body, _ in cases()
    ]
    program = (
        f"{snippet('javascript')}\nconst calls = {orjson.dumps(calls).decode()};\n"
        "console.log(JSON.stringify(calls.map(([s, h, b]) => verify(s, h, Buffer.from(b)) !== null)));"
    )
    told = subprocess.run([NODE, "-"], input=program, capture_output=True, text=True, check=True, timeout=30)
    assert orjson.loads(told.stdout) == [genuine for _, _, genuine in cases()]
