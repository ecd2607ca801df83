"""How callers authenticate, in the words of OpenAPI."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension


class Key(OpenApiAuthenticationExtension):
    target_class = "accounts.authentication.BearerKey"
    name = "key"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "An API key: egg_live_... or egg_test_..."}


class Session(OpenApiAuthenticationExtension):
    target_class = "accounts.authentication.SessionCaller"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        description = "The dashboard's own session; what changes anything needs its token in X-CSRFToken too."
        return {"type": "apiKey", "in": "cookie", "name": "sessionid", "description": description}
