"""The documentation: docs/*.md as pages, as the Markdown they are, and as a list for language models.

Pages are rendered once, and need neither a database nor a session: they are there when nothing else is.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.template.loader import render_to_string
from django.views.decorators.http import require_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

from eggapi import reference
from eggapi.envelope import base_url

FOLDER = settings.BASE_DIR / "docs"
REFERENCE = "api-reference"
# In the order to be read in.
NAMES = (
    *("quickstart", "authentication", "models", "async-tasks", "webhooks", "errors", "limits", "billing", "privacy"),
    *(REFERENCE, "self-hosting", "operations", "faults"),
)
OLD_ADDRESSES = ("docs", "en", "en/<path:rest>", "docs/en", "docs/en.md", "docs/en/<path:rest>")
HEADERS = {
    "Cache-Control": "public, max-age=300",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'",
}
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
def index(request: HttpRequest) -> HttpResponse:
    """GET /docs/"""
    return HttpResponse(_html("docs/index.html"), headers=HEADERS)


@require_safe
def page(request: HttpRequest, name: str) -> HttpResponse:
    """GET /docs/{name}"""
    return HttpResponse(_html("docs/page.html", _known(name)), headers=HEADERS)


@require_safe
def markdown(request: HttpRequest, name: str) -> HttpResponse:
    """GET /docs/{name}.md"""
    return HttpResponse(text_of(_known(name)), content_type=MARKDOWN, headers=HEADERS)


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
    """Without the request: nothing on these pages is for one reader alone."""
    shown = page_of(name) if name else None
    return render_to_string(template, {"page": shown, "pages": pages()})


# -- pages -----------------------------------------------------------------------------------------


def pages() -> list[Page]:
    return [page_of(name) for name in NAMES]


def text_of(name: str) -> str:
    return reference.text() if name == REFERENCE else (FOLDER / f"{name}.md").read_text()


@cache
def page_of(name: str) -> Page:
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(text_of(name))
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
    return Page(name, titles[0], summary, parser.renderer.render(tokens, parser.options, {}), sections)


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
