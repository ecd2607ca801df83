"""The account a request is made for: the same for keys and for dashboard sessions."""

from dataclasses import dataclass
from typing import Any, ClassVar, cast

from rest_framework.request import Request


@dataclass(frozen=True, slots=True)
class Terms:
    """What the account and the key may do, as they stand at this request; see their models.

    Amounts are micro-dollars. Empty tuples allow everything.
    """

    scopes: tuple[str, ...] = ()
    allowed_models: tuple[str, ...] = ()
    cidrs: tuple[str, ...] = ()
    rate: int | None = None
    rate_seconds: int = 60
    concurrency: int | None = None
    budget: int | None = None
    budget_period: str = ""
    monthly_cap: int | None = None
    retention_days: int | None = None
    zero_retention: bool = False


@dataclass(frozen=True, slots=True)
class Caller:
    """An account in one mode; `key_id` is None for a dashboard session."""

    account_id: int
    mode: str
    key_id: int | None = None
    terms: Terms = Terms()

    is_authenticated: ClassVar[bool] = True  # what REST framework's IsAuthenticated asks


def caller_of(request: Request) -> Caller | None:
    """None where nobody authenticated."""
    return cast(Caller | None, cast(Any, request.user))
