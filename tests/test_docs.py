"""What README.md and docs/ say, compared with the code."""

import re
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import get_commands

from eggapi import errors
from generation import fields
from webhooks import signing

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OURS = {"eggapi", "accounts", "billing", "webhooks", "generation"}
READERS = r"environ\.get|choice|dollars|flag|number|words|env\.\w+"
READ_FROM_ENVIRONMENT = re.compile(rf'(?:{READERS})\(\s*"([A-Z][A-Z0-9_]+)"')
LINK = re.compile(r"\]\((?!https?:|/)([^)#]*)(?:#([^)]+))?\)")  # those that begin with a slash are of the served pages
FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
SECRET = "whsec_" + b64encode(bytes(range(32))).decode()

pytestmark = pytest.mark.once


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors(text: str) -> set[str]:
    """Of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def api_errors() -> list[type[errors.ApiError]]:
    return [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.ApiError)]


def variables() -> set[str]:
    return set(READ_FROM_ENVIRONMENT.findall((ROOT / "eggapi/settings.py").read_text()))


def commands_told(text: str) -> set[str]:
    return set(re.findall(r"manage\.py ([a-z]\w+)", text))


def test_readme_is_short() -> None:
    assert len(README.splitlines()) < 120


@pytest.mark.parametrize("error", api_errors())
def test_every_error_is_explained_where_its_docs_url_leads(error: type[errors.ApiError]) -> None:
    page = (ROOT / "docs/errors.md").read_text()
    _, _, section = page.partition(f"\n## {error.code}\n\n")
    section = section.partition("\n## ")[0]
    assert section.startswith(f"{error.status}. ")
    assert re.search(r"^\*\*Try again\?\*\* .+", section, re.MULTILINE)
    assert re.search(r"\*\*Charged\?\*\* N", section)
    assert f'"code": "{error.code}"' in section
    assert error.code.lower() in anchors(page)


def test_every_variable_is_in_the_readme() -> None:
    assert {name for name in variables() if f"`{name}`" not in README} == set()


def test_every_field_of_a_request_is_told() -> None:
    page = (ROOT / "docs/models.md").read_text()
    assert set(re.findall(r"^\| `(\w+)` \| (?:string|integer|boolean|list|object)", page, re.MULTILINE)) == set(
        fields.READERS
    )


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_variable_told_is_read(page: Path) -> None:
    assert set(re.findall(r"`(EGGAPI_[A-Z0-9_]+)`", page.read_text())) <= variables()


def test_every_variable_set_in_deploy_is_read() -> None:
    told = re.findall(r"^([A-Z][A-Z0-9_]+)=", (ROOT / "deploy/eggapi.env").read_text(), re.MULTILINE)
    assert told
    assert set(told) <= variables()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(FENCE.sub("", page.read_text())):
        place = (page.parent / target).resolve() if target else page
        assert place.exists(), target
        assert not anchor or anchor in anchors(place.read_text()), anchor


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_told_exists(page: Path) -> None:
    assert commands_told(page.read_text()) - get_commands().keys() == set()


def test_every_command_of_ours_is_in_the_readme() -> None:
    section = README.partition("## Operating it")[2].partition("\n## ")[0]
    first_cells = re.findall(r"^\| (`[a-z].*?) \|", section, re.MULTILINE)
    told = {name for cell in first_cells for name in re.findall(r"`([a-z]\w+)", cell)}
    assert told == {name for name, app in get_commands().items() if app in OURS}


def test_every_picture_is_small() -> None:
    pictures = [*(ROOT / "docs/pictures").iterdir(), *(ROOT / "docs/screenshots").iterdir()]
    assert [picture for picture in pictures if picture.stat().st_size > 120 * 1024] == []


@pytest.mark.parametrize("number", [0, 1], ids=["standardwebhooks", "hmac"])
def test_snippets_verify_a_webhook(number: int) -> None:
    snippets = re.findall(r"```python\n(.*?)```", (ROOT / "docs/webhooks.md").read_text(), re.DOTALL)
    scope: dict[str, Any] = {}
    exec(snippets[number], scope)
    verify: Callable[..., Any] = scope["verify"]
    body, now = b'{"event":"task.completed"}', int(time.time())
    sent = signing.headers("msg_0123456789abcdefghijklmn", body, now, [SECRET])
    assert verify(SECRET, sent, body) == {"event": "task.completed"}
    assert verify(SECRET, sent, body + b" ") is None
    assert verify(SECRET, {}, body) is None
    assert verify(SECRET, sent | {"webhook-signature": "garbage", "X-EggAPI-Signature": "gärbage"}, body) is None
    old = signing.headers("msg_0123456789abcdefghijklmn", body, now - 360, [SECRET])
    assert verify(SECRET, old, body) is None
