"""A secret on its way to the one page that shows it: encrypted in the session, and gone once it is read."""

from django.http import HttpRequest

from eggapi import crypto

NAME = "shown_once"


def keep(request: HttpRequest, what: str, secret: str) -> None:
    """`what` names it to the page that takes it; a later one takes the place of the last."""
    request.session[NAME] = [what, crypto.encrypt(secret)]


def take(request: HttpRequest, what: str) -> str:
    """The secret, once; empty where there is none by that name."""
    kept, encrypted = request.session.get(NAME, ("", ""))
    if kept != what:
        return ""
    del request.session[NAME]
    return crypto.decrypt(encrypted)
