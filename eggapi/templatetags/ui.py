"""What templates say with: icons, states, money, times, and code to copy."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from eggapi import clock, money

register = template.Library()

# A word that people see -> how it looks.
LOOKS = {
    "good": ("completed", "delivered", "usable", "active", "captured", "up", "paid", "healthy", "ok", "used"),
    "bad": ("failed", "revoked", "down", "suspended", "disabled", "exhausted", "broken", "refused"),
    "warn": ("expired", "degraded", "failing", "due", "warning", "expiring", "owed"),
    "info": ("pending", "processing", "open", "submitting", "accepted", "live", "waiting"),
}
LOOK_OF = {word: look for look, words in LOOKS.items() for word in words}


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """One of static/eggapi/icons.svg; with a `label` it says something, without it is decoration."""
    told = format_html('role="img" aria-label="{}"', label) if label else SafeString('aria-hidden="true"')
    return format_html('<svg class="icon" {}><use href="{}#{}"></use></svg>', told, static("eggapi/icons.svg"), name)


@register.filter
def state(word: Any) -> SafeString:
    """A status as a dot and a word."""
    text = str(word)
    return format_html('<span class="state {}">{}</span>', LOOK_OF.get(text, "idle"), text)


@register.filter
def usd(micros: int | None) -> str:
    """Micro-dollars as $0.0320; nothing for None."""
    return "" if micros is None else money.display(micros)


@register.filter
def number(value: int) -> str:
    """A whole number as 60,000."""
    return f"{value:,}"


@register.filter
def ago(at: datetime | None) -> SafeString:
    """A time: UTC in the text and on hover; the page's script turns the text into how long ago it was."""
    if at is None:
        return SafeString('<span class="soft">never</span>')
    iso, text = clock.iso(at), at.strftime("%Y-%m-%d %H:%M UTC")
    return format_html('<time datetime="{}" title="{}" data-ago>{}</time>', iso, iso, text)


@register.filter
def at(moment: datetime | None) -> SafeString:
    """A time as it is, in UTC."""
    if moment is None:
        return SafeString("")
    iso, text = clock.iso(moment), moment.strftime("%Y-%m-%d %H:%M:%S UTC")
    return format_html('<time datetime="{}">{}</time>', iso, text)


@register.filter
def took(milliseconds: int | None) -> str:
    """A time that something took, as 840 ms, 4.2 s, 2 min 5 s or 3 h 20 min; nothing for None."""
    if milliseconds is None:
        return ""
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < 60_000:
        return f"{milliseconds // 100 / 10} s"
    minutes, seconds = divmod(milliseconds // 1000, 60)
    return f"{minutes} min {seconds} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


@register.filter
def lines(texts: Iterable[str]) -> str:
    """Each on a line of its own."""
    return "\n".join(texts)


@register.inclusion_tag("ui/copy.html")
def copy(text: str, label: str = "Copy") -> dict[str, str]:
    """A button that copies this text."""
    return {"text": text, "label": label}


@register.inclusion_tag("ui/snippet.html")
def snippet(text: str) -> dict[str, str]:
    """A block of code with a button that copies it."""
    return {"text": text.strip("\n")}


@register.inclusion_tag("ui/empty.html")
def empty(icon: str, text: str, path: str = "", action: str = "", code: str = "") -> dict[str, str]:
    """What is said where there is nothing yet: what this is, one button, and the snippet that fills it."""
    return {"icon": icon, "text": text, "path": path, "action": action, "code": code}


@register.simple_tag(takes_context=True)
def query(context: template.Context, **changes: Any) -> str:
    """The page's own query with these changes; None takes a parameter away."""
    params = context["request"].GET.copy()
    for name, value in changes.items():
        params.pop(name, None)
        if value is not None:
            params[name] = str(value)
    return f"?{params.urlencode()}" if params else "?"
