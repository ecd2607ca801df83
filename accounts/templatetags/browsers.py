"""What a browser calls itself, for people."""

from django import template

register = template.Library()

# In this order: most of them claim to be those below them too.
BROWSERS = {"Edg": "Edge", "OPR/": "Opera", "Firefox/": "Firefox", "Chrome/": "Chrome", "Safari/": "Safari"}
SYSTEMS = {"iPhone": "iPhone", "iPad": "iPad", "Android": "Android", "Windows": "Windows", "Mac OS": "Mac"}
SYSTEMS |= {"Linux": "Linux"}


@register.filter
def browser(user_agent: str) -> str:
    """Such as "Firefox on Windows"; what it says itself where we do not know it."""
    name = next((name for mark, name in BROWSERS.items() if mark in user_agent), "")
    system = next((system for mark, system in SYSTEMS.items() if mark in user_agent), "")
    return f"{name} on {system}" if name and system else name or user_agent or "unknown"
