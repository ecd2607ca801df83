"""The account a request is made for: the same for keys and for dashboard sessions."""

from dataclasses import dataclass
from typing import Any, ClassVar, cast

from rest_framework.request import Request


@dataclass(frozen=True, slots=True)
class Caller:
    """An account in one mode; `key_id` is None for a dashboard session."""

    account_id: int
    mode: str
    key_id: int | None = None

    is_authenticated: ClassVar[bool] = True  # what REST framework's IsAuthenticated asks


def caller_of(request: Request) -> Caller | None:
    """None where nobody authenticated."""
    return cast(Caller | None, cast(Any, request.user))
