"""Markdown as pages: code in colours with a button to copy it, and the same code in several languages as tabs.

Raw HTML in the text is shown, not obeyed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

# The languages of a request, by the name of the fence. Fences of these that follow one another become tabs.
LANGUAGES = {"bash": "curl", "python": "Python", "javascript": "JavaScript", "go": "Go"}
GROUP = "code_group"
FORMATTER = HtmlFormatter(nowrap=True, classprefix="c-")


@dataclass(frozen=True, slots=True)
class Snippet:
    title: str
    html: SafeString


class Renderer(RendererHTML):
    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return render_to_string("ui/code.html", {"code": coloured(tokens[idx].content, tokens[idx].info.strip())})

    def code_group(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        fences = tokens[idx].children or []
        snippets = [
            Snippet(LANGUAGES[fence.info.strip()], SafeString(self.fence(fences, i, options, env)))
            for i, fence in enumerate(fences)
        ]
        return render_to_string("ui/tabs.html", {"snippets": snippets})

    def table_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return '<div class="scrolls" tabindex="0" role="region" aria-label="Table"><table>\n'

    def table_close(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return "</table></div>\n"


PARSER = MarkdownIt("commonmark", {"html": False}, renderer_cls=Renderer).enable("table")


def parse(text: str) -> list[Token]:
    return PARSER.parse(text)


def render(tokens: Sequence[Token]) -> str:
    html: str = PARSER.renderer.render(_grouped(tokens), PARSER.options, {})
    return html


def coloured(code: str, language: str) -> SafeString:
    """Code as HTML: spans of the classes in code.css, everything escaped."""
    try:
        lexer = get_lexer_by_name(language or "text")
    except ClassNotFound:
        return format_html("{}", code)
    return SafeString(highlight(code, lexer, FORMATTER))


def _grouped(tokens: Sequence[Token]) -> list[Token]:
    """Neighbouring fences, each in another of LANGUAGES, become one group."""
    grouped: list[Token] = []
    for token in tokens:
        language = token.info.strip() if token.type == "fence" else ""
        last = grouped[-1] if grouped else None
        if last and language in LANGUAGES and last.type == "fence" and last.info.strip() in LANGUAGES:
            grouped[-1] = Token(GROUP, "", 0, children=[last, token])
        elif last and language in LANGUAGES and last.type == GROUP:
            last.children = [*(last.children or []), token]
        else:
            grouped.append(token)
    return grouped
