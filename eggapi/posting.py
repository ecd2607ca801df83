"""What the forms of a page are posted to."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect

View = Callable[..., HttpResponseBase]


def form_of(page: str) -> Callable[[View], View]:
    """For a view that answers a faulty form with the page around it, at an address of its own.

    Whoever asks for that address without a form, say by choosing another theme there, is led to the page.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def posted(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            return view(request, *args, **kwargs) if request.method == "POST" else redirect(page)

        return posted

    return decorate
