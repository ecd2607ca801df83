"""Light, dark, or as the system has it: kept in a cookie, so that the server knows before the first pixel."""

from django.http import HttpRequest, HttpResponse

THEMES = ("light", "dark")
A_YEAR = 365 * 24 * 3600


def theme_of(request: HttpRequest) -> str:
    """light, dark, or empty for the system's"""
    theme = request.COOKIES.get("theme", "")
    return theme if theme in THEMES else ""


def keep(response: HttpResponse, theme: str) -> None:
    if theme in THEMES:
        response.set_cookie("theme", theme, max_age=A_YEAR, samesite="Lax")
    else:
        response.delete_cookie("theme", samesite="Lax")
