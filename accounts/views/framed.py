"""allauth's pages as pages of ours: those for who is signed in have the dashboard around them."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver
from django.views.decorators.cache import never_cache

from accounts.member import member_of
from accounts.models import User

View = Callable[..., HttpResponse]


def framed(patterns: Sequence[URLPattern | URLResolver]) -> list[URLPattern | URLResolver]:
    """The same addresses, under the same names."""
    return [_branch(each) if isinstance(each, URLResolver) else _page(each) for each in patterns]


def _branch(each: URLResolver) -> URLResolver:
    below = framed(each.url_patterns)
    return URLResolver(each.pattern, below, each.default_kwargs, each.app_name, each.namespace)


def _page(each: URLPattern) -> URLPattern:
    return URLPattern(each.pattern, _in_frame(each.callback), each.default_args, each.name)


def _in_frame(view: View) -> View:
    @wraps(view)
    @never_cache
    def page(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if isinstance(request.user, User):
            request.member = member_of(request.user, request.session)  # type: ignore[attr-defined]
        return view(request, *args, **kwargs)

    return page
