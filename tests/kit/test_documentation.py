"""The documentation as it is served: whole, linked, and with nothing from elsewhere."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from eggapi import docs, errors, openapi

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
        self.inline += [tag] if tag in ("style", "script") else []


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
        if target.startswith(("https://", "/accounts/")) or target == "/":
            continue
        response = client.get(target or path)
        assert response.status_code == 200, link
        assert not anchor or anchor in Document(response.content.decode()).ids, link


@pytest.mark.parametrize("path", ["/docs/", *PAGES])
def test_it_loads_nothing_from_elsewhere(client: Client, path: str) -> None:
    page = read(client, path)
    assert page.loads == {"/static/eggapi/base.css", "/static/eggapi/docs.css"}
    assert page.inline == []
    assert client.get(path)["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self';")


@pytest.mark.parametrize("name", docs.NAMES)
def test_every_page_has_a_title_a_summary_and_a_twin(client: Client, name: str) -> None:
    page = docs.page_of(name)
    assert f"<title>{page.title} · EggAPI</title>" in client.get(f"/docs/{name}").content.decode()
    assert re.fullmatch(r"[^\n]{10,250}\.", page.summary)
    twin = client.get(f"/docs/{name}.md")
    assert (twin["Content-Type"], twin.content.decode()) == ("text/markdown; charset=utf-8", docs.text_of(name))


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
