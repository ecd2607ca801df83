"""The documentation as it is served: whole, linked, and with nothing from elsewhere."""

import re
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from django.urls import resolve

from accounts import keyring
from accounts.fields import NewKey
from accounts.models import ApiKey, Mode, User
from accounts.opening import account_of
from eggapi import clock, docs, errors, openapi

pytestmark = pytest.mark.once

PAGES = [f"/docs/{name}" for name in docs.NAMES]


class Document(HTMLParser):
    """What a page links to, loads, and can be linked to at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loads: set[str] = set()
        self.ids: list[str] = []
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "a":
            self.links.add(values["href"])
        self.loads |= {values[name] for name in ("src", "href") if name in values and tag != "a"}
        self.ids += [values["id"]] if "id" in values else []
        self.inline += [tag for name in values if name == "style" or name.startswith("on")]
        self.inline += [tag] if tag == "style" or (tag == "script" and "src" not in values) else []


def read(client: Client, path: str) -> Document:
    response = client.get(path)
    assert (response.status_code, response["Content-Type"]) == (200, "text/html; charset=utf-8")
    return Document(response.content.decode())


def api_errors() -> list[type[errors.ApiError]]:
    return [errors.ApiError, *errors.ApiError.__subclasses__()]


@pytest.mark.parametrize("error", api_errors())
def test_every_docs_url_leads_to_its_section(client: Client, error: type[errors.ApiError]) -> None:
    path, _, anchor = f"/docs/errors#{error.code.lower()}".partition("#")
    assert read(client, path).ids.count(anchor) == 1


def test_an_error_that_is_answered_leads_there(client: Client) -> None:
    url = client.get("/v1/nothing").json()["error"]["docs_url"]
    path, _, anchor = url.removeprefix("http://testserver").partition("#")
    assert anchor in read(client, path).ids


def test_every_file_is_a_page() -> None:
    assert {path.stem for path in (Path(settings.BASE_DIR) / "docs").glob("*.md")} == set(docs.NAMES) - {docs.REFERENCE}


@pytest.mark.parametrize("path", ["/docs/", *PAGES])
def test_every_link_leads_somewhere(client: Client, path: str) -> None:
    page = read(client, path)
    assert len(page.ids) == len(set(page.ids))
    for link in page.links:
        target, _, anchor = link.partition("#")
        if target.startswith("https://"):
            continue
        if target and not target.startswith(("/docs/", "/openapi", "/llms")):
            resolve(target)  # a page with a test of its own
            continue
        response = client.get(target or path)
        assert response.status_code == 200, link
        assert not anchor or anchor in Document(response.content.decode()).ids, link


@pytest.mark.parametrize("path", ["/docs/", *PAGES])
def test_it_loads_nothing_from_elsewhere(client: Client, path: str) -> None:
    page = read(client, path)
    assert [load for load in page.loads if not load.startswith("/static/eggapi/")] == []
    assert page.inline == []
    policy = client.get(path)["Content-Security-Policy"].split("; ")
    assert {"default-src 'none'", "script-src 'self'", "style-src 'self'"} <= set(policy)


@pytest.mark.parametrize("name", docs.NAMES)
def test_every_page_has_a_title_a_summary_and_a_twin(client: Client, name: str) -> None:
    page = docs.page_of(name)
    assert f"<title>{page.title} · EggAPI</title>" in client.get(f"/docs/{name}").content.decode()
    assert re.fullmatch(r"[^\n]{10,250}\.", page.summary)
    twin = client.get(f"/docs/{name}.md")
    text = docs.text_of(name)
    for address in docs.EXAMPLE_ADDRESSES:
        text = text.replace(address, "http://testserver")
    assert (twin["Content-Type"], twin.content.decode()) == ("text/markdown; charset=utf-8", text)
    asked = client.get(f"/docs/{name}", headers={"Accept": "text/markdown"})
    assert asked.content == twin.content


def test_examples_are_for_where_the_reader_is(client: Client) -> None:
    page = client.get("/docs/quickstart", headers={"Host": "eggs.example.com"}).text
    assert ("http://eggs.example.com" in page, "127.0.0.1" in page) == (True, False)


def test_examples_show_a_key_of_the_reader(client: Client, db: None) -> None:
    account = account_of("ann@example.com")
    key, _ = keyring.make(account, Mode.TEST, NewKey("first"))
    client.force_login(User.objects.get(email="ann@example.com"))
    mine = client.get("/docs/quickstart")
    assert (key.display in mine.text, mine["Cache-Control"]) == (True, "private, max-age=60")
    theirs = Client().get("/docs/quickstart")
    assert (key.display in theirs.text, "egg_test_..." in theirs.text) == (False, True)
    ApiKey.objects.update(expires_at=clock.now() - timedelta(minutes=1))
    assert key.display not in client.get("/docs/quickstart").text


def test_a_theme_that_was_chosen_is_kept(client: Client) -> None:
    client.cookies["theme"] = "dark"
    assert '<html data-theme="dark" lang="en">' in client.get("/docs/quickstart").text


def test_code_in_several_languages_becomes_tabs(client: Client) -> None:
    page = client.get("/docs/quickstart").text
    assert [page.count(f'data-title="{title}"') for title in ("curl", "Python", "JavaScript")] == [2, 2, 2]


def test_code_is_shown_and_not_obeyed() -> None:
    html = docs.made_of("x", "# A\n\nB.\n\n```html\n<script>1</script>\n```\n\n<b>c</b>\n").html
    assert ("<script>" in html, "<b>" in html, "&lt;b&gt;c" in html) == (False, False, True)


def test_the_explorer_is_our_own(client: Client) -> None:
    page = read(client, "/docs/explorer")
    assert [load for load in page.loads if not load.startswith("/static/")] == []
    assert page.inline == []
    assert '<a href="/docs/explorer" aria-current="page">' in client.get("/docs/explorer").text


def test_everything_can_be_read_in_one(client: Client) -> None:
    assert re.findall(r"^# (.+)$", client.get("/llms-full.txt").text, re.MULTILINE)[0] == "Quickstart"


@pytest.mark.parametrize("path", ["/llms.txt", "/docs/llms.txt"])
def test_models_are_told_what_there_is(client: Client, path: str) -> None:
    listed = client.get(path).content.decode()
    assert listed.startswith("# EggAPI\n\n> ")
    links = re.findall(r"^- \[.+\]\(http://testserver(/.+)\): .+$", listed, re.MULTILINE)
    assert links == [f"/docs/{name}.md" for name in docs.NAMES] + ["/openapi.json"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/docs", "/docs/"),
        ("/en", "/docs/"),
        ("/docs/en", "/docs/"),
        ("/docs/en.md", "/docs/"),
        ("/en/authentication", "/docs/authentication"),
        ("/docs/en/quickstart", "/docs/quickstart"),
        ("/docs/en/quickstart.md", "/docs/quickstart.md"),
        ("/docs/en/guides/async-tasks", "/docs/async-tasks"),
        ("/docs/en/guides/models/nanobanana-pro", "/docs/models"),
        ("/docs/en/api-reference/introduction", "/docs/api-reference"),
    ],
)
def test_old_addresses_lead_to_the_new(client: Client, old: str, new: str) -> None:
    response = client.get(old)
    assert (response.status_code, response["Location"]) == (301, new)
    assert client.get(new).status_code == 200


@pytest.mark.parametrize(
    "path", ["/docs/nothing", "/docs/nothing.md", "/en/nothing", "/docs/../README", "/docs/faults.txt"]
)
def test_it_rejects_what_is_no_page(client: Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_the_reference_tells_every_operation() -> None:
    text = docs.text_of(docs.REFERENCE)
    for path, item in openapi.document()["paths"].items():
        for method in item:
            assert f"\n### {method.upper()} {path}\n" in text
