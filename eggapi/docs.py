"""The documentation: docs/*.md as pages, as the Markdown they are, and as a list for language models.

Pages are rendered once, and need neither a database nor a session: they are there when nothing else is. What is
put in for a reader afterwards is the address they are at and, from the session, what a key of theirs looks like.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.html import escape
from django.views.decorators.http import require_safe
from markdown_it.token import Token

from eggapi import markdown as md
from eggapi import reference
from eggapi.envelope import base_url
from eggapi.theme import theme_of

FOLDER = settings.BASE_DIR / "docs"
REFERENCE = "api-reference"
# In the order to be read in.
NAMES = (
    *("quickstart", "authentication", "models", "async-tasks", "webhooks", "errors", "limits", "billing", "privacy"),
    *(REFERENCE, "self-hosting", "operations", "faults", "changelog"),
)
OLD_ADDRESSES = ("docs", "en", "en/<path:rest>", "docs/en", "docs/en.md", "docs/en/<path:rest>")
HEADERS = {"Cache-Control": "public, max-age=300", "Vary": "Accept, Cookie"}
# What the examples are written for -> where the reader is.
EXAMPLE_ADDRESSES = ("http://127.0.0.1:8000", "https://api.example.com")
EXAMPLE_KEY = "egg_test_..."
KeyOf = Callable[[HttpRequest], str]
MARKDOWN = "text/markdown; charset=utf-8"
OURS = re.compile(r"([\w-]+)\.md(#.*)?")


@dataclass(frozen=True, slots=True)
class Page:
    """`sections` are the anchors and titles of its second-level headings; `summary` is its first sentence."""

    name: str
    title: str
    summary: str
    html: str
    sections: Sequence[tuple[str, str]]


# -- views -----------------------------------------------------------------------------------------


@require_safe
def index(request: HttpRequest, key_of: KeyOf) -> HttpResponse:
    """GET /docs/"""
    return _answer(request, _html("docs/index.html"), key_of)


@require_safe
def page(request: HttpRequest, name: str, key_of: KeyOf) -> HttpResponse:
    """GET /docs/{name}, as Markdown for who asks for that in Accept."""
    if request.headers.get("Accept", "").startswith("text/markdown"):
        return markdown(request, name)
    return _answer(request, _html("docs/page.html", _known(name)), key_of)


@require_safe
def explorer(request: HttpRequest) -> HttpResponse:
    """GET /docs/explorer: Swagger UI, from our own files."""
    return render(request, "docs/explorer.html", {"pages": pages()})


@require_safe
def markdown(request: HttpRequest, name: str) -> HttpResponse:
    """GET /docs/{name}.md"""
    return HttpResponse(_for_here(text_of(_known(name)), request), content_type=MARKDOWN, headers=HEADERS)


@require_safe
def whole(request: HttpRequest) -> HttpResponse:
    """GET /llms-full.txt: every page, one after the other."""
    text = "\n\n".join(text_of(name) for name in NAMES)
    return HttpResponse(_for_here(text, request), content_type=MARKDOWN, headers=HEADERS)


@require_safe
def for_models(request: HttpRequest) -> HttpResponse:
    """GET /llms.txt: what there is to read, as https://llmstxt.org has it."""
    base = base_url(request)
    lines = [f"- [{each.title}]({base}/docs/{each.name}.md): {each.summary}" for each in pages()]
    text = "\n".join(
        [
            "# EggAPI\n\n> One key, one endpoint, several providers of images.\n\n## Docs\n",
            *lines,
            f"\n## Optional\n\n- [OpenAPI]({base}/openapi.json): all of /v1, for client generators.\n",
        ]
    )
    return HttpResponse(text, content_type=MARKDOWN, headers=HEADERS)


@require_safe
def moved(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Where the pages once were: the last part of an address that is still a page leads there."""
    path = rest.removesuffix(".md")
    name = next((part for part in reversed(path.split("/")) if part in NAMES), "")
    if path and not name:
        raise Http404
    return HttpResponsePermanentRedirect(f"/docs/{name}{'.md' if name and path != rest else ''}")


def _known(name: str) -> str:
    if name not in NAMES:
        raise Http404
    return name


@cache
def _html(template: str, name: str = "") -> str:
    """Without the request: what is for one reader alone is filled in later."""
    shown = page_of(name) if name else None
    return render_to_string(template, {"page": shown, "pages": pages()})


def _answer(request: HttpRequest, html: str, key_of: KeyOf) -> HttpResponse:
    """For this reader: where they are, and the beginning of a key of theirs."""
    html, headers = _for_here(html, request), dict(HEADERS)
    if theme := theme_of(request):
        html = html.replace("<html ", f'<html data-theme="{theme}" ', 1)
    if request.COOKIES.get(settings.SESSION_COOKIE_NAME):
        headers["Cache-Control"] = "private, max-age=60"
        html = html.replace(EXAMPLE_KEY, escape(key_of(request) or EXAMPLE_KEY))
    return HttpResponse(html, headers=headers)


def _for_here(text: str, request: HttpRequest) -> str:
    for address in EXAMPLE_ADDRESSES:
        text = text.replace(address, base_url(request))
    return text


# -- pages -----------------------------------------------------------------------------------------


def pages() -> list[Page]:
    return [page_of(name) for name in NAMES]


def text_of(name: str) -> str:
    return reference.text() if name == REFERENCE else (FOLDER / f"{name}.md").read_text()


@cache
def page_of(name: str) -> Page:
    return made_of(name, text_of(name))


def made_of(name: str, text: str) -> Page:
    """The page of any Markdown text that begins with a heading."""
    tokens = md.parse(text)
    titles, sections = [], []
    for opening, inline in zip(tokens, tokens[1:], strict=False):
        if opening.type == "heading_open":
            opening.attrSet("id", anchor(inline.content))
            titles.append(_plain(inline))
            if opening.tag == "h2":
                sections.append((anchor(inline.content), _plain(inline)))
    for token in tokens:
        token.children = _lead_here(token.children or []) if token.type == "inline" else token.children
    first = next(
        inline for opening, inline in zip(tokens, tokens[1:], strict=False) if opening.type == "paragraph_open"
    )
    summary = _plain(first).partition(". ")[0].rstrip(".:") + "."
    return Page(name, titles[0], summary, md.render(tokens), sections)


def anchor(heading: str) -> str:
    """As GitHub makes it, so that a link works there and here."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _plain(inline: Token) -> str:
    return "".join(" " if child.type == "softbreak" else child.content for child in inline.children or [])


def _lead_here(children: Sequence[Token]) -> list[Token]:
    """Links between files lead to pages; those to files that are no pages become plain words."""
    kept, is_dead = [], False
    for child in children:
        if child.type == "link_open":
            target = str(child.attrs["href"])
            ours = OURS.fullmatch(target)
            is_dead = not (ours and ours[1] in NAMES) and not target.startswith(("https://", "#", "/"))
            if ours and not is_dead:
                child.attrSet("href", f"/docs/{ours[1]}{ours[2] or ''}")
        if not (is_dead and child.type in ("link_open", "link_close")):
            kept.append(child)
        is_dead = is_dead and child.type != "link_close"
    return kept
