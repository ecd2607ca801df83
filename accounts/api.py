"""What every view under /v1 has in common."""

from typing import Any, ClassVar, NoReturn

from rest_framework.request import Request
from rest_framework.views import APIView

from accounts import limits, openapi  # noqa: F401 - says how callers authenticate
from accounts.caller import Caller, caller_of
from accounts.limits import READS, SUBMITS
from eggapi.errors import Unauthorized
from eggapi.ratelimit import Limit

__all__ = ["READS", "SUBMITS", "V1View"]


class V1View(APIView):
    """Authenticates, then counts the request against `limit`, and says so in the reply's headers.

    Keys only, unless a view says otherwise: `authentication_classes = (BearerKey, SessionCaller)` takes
    both; an empty tuple there and in `permission_classes` makes a public view, counted per address.
    """

    limit: ClassVar[Limit] = READS

    @property
    def caller(self) -> Caller:
        caller = caller_of(self.request)
        assert caller is not None, "a public view has no caller"
        return caller

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.headers.update(limits.count(request, self.limit))

    def permission_denied(self, request: Request, message: str | None = None, code: str | None = None) -> NoReturn:
        if caller_of(request) is None:
            self.headers.update(limits.count(request, READS))
            raise Unauthorized("Missing Authorization header")
        super().permission_denied(request, message, code)
