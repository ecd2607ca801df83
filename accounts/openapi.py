"""How callers authenticate, and what /v1 says of keys, for /openapi.json alone: nothing here is run by a request."""

from functools import partial
from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiExample, extend_schema_field
from rest_framework import serializers

from accounts import fields
from accounts.models import ApiKey, Mode
from eggapi.errors import NotFound, ValidationFailed
from eggapi.openapi import (
    BODY_FAULTS,
    PAGES,
    TO_ANYBODY,
    TO_CALLERS,
    DollarField,
    PaginationSerializer,
    answer,
    operation,
    refusals,
)


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


@extend_schema_field({"oneOf": [{"type": "string", "enum": ApiKey.Period.values}, {"type": "null"}]})
class PeriodField(serializers.Field):
    pass


class KeyTermsSerializer(serializers.Serializer):
    """What a key may do. An empty list, or null, allows everything."""

    name = serializers.CharField(min_length=1, max_length=fields.LONGEST_NAME)
    scopes = serializers.ListField(child=serializers.ChoiceField(ApiKey.Scope.choices), required=False)
    models = serializers.ListField(child=serializers.CharField(), required=False, help_text="Ids from /v1/models.")
    cidrs = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="Networks it may be used from: 10.0.0.0/8."
    )
    rate = serializers.RegexField(
        rf"^{fields.RATE.pattern}$",
        required=False,
        allow_null=True,
        help_text="POST /v1/generate in a time, counted for this key alone: 20/minute.",
    )
    concurrency = serializers.IntegerField(
        min_value=1,
        max_value=fields.MOST_AT_ONCE,
        required=False,
        allow_null=True,
        help_text="Unfinished tasks at a time.",
    )
    budget_period = PeriodField(
        required=False, help_text="When the budget begins anew: at 00:00 UTC, weeks on Monday. Never, if null."
    )


class NewKeySerializer(KeyTermsSerializer):
    budget = serializers.CharField(required=False, allow_null=True, help_text="Dollars: 5.00.")
    expires = serializers.RegexField(
        rf"^{fields.DURATION.pattern}$",
        required=False,
        allow_null=True,
        help_text="How long from now, in minutes, hours or days: 24h.",
    )


class KeySerializer(KeyTermsSerializer):
    id = serializers.IntegerField()
    display = serializers.CharField(help_text="What people know it by.")
    mode = serializers.ChoiceField(Mode.choices)
    state = serializers.ChoiceField(["usable", "disabled", "expired", "revoked"])
    budget = DollarField(allow_null=True)
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True, help_text="To the minute.")
    expires_at = serializers.DateTimeField(allow_null=True)


class ShownKeySerializer(KeySerializer):
    key = serializers.RegexField(r"^egg_(live|test)_[0-9A-Za-z]{36}$", help_text="Shown this once.")


class KeyPageSerializer(serializers.Serializer):
    items = KeySerializer(many=True)
    pagination = PaginationSerializer()


class RollSerializer(serializers.Serializer):
    overlap = serializers.ChoiceField(list(fields.OVERLAPS), help_text="For how long the old key works on.")


class RevokedSerializer(serializers.Serializer):
    revoked = serializers.IntegerField(min_value=0, help_text="How many.")


class FoundKeySerializer(serializers.Serializer):
    key = serializers.CharField(allow_blank=True)


class ReportedSerializer(serializers.Serializer):
    revoked = serializers.BooleanField(help_text="False for whatever is no valid key.")


NEW_KEY = {"name": "production", "scopes": ["generate", "tasks:read"], "rate": "20/minute", "budget": "5.00"}
NEW_KEY |= {"budget_period": "day", "expires": "90d"}
KEY = {
    "id": 7,
    "name": "production",
    "display": "egg_live_...Ab3d",
    "mode": "live",
    "state": "usable",
    "scopes": ["generate", "tasks:read"],
    "models": [],
    "cidrs": [],
    "rate": "20/minute",
    "concurrency": None,
    "budget": "$5.0000",
    "budget_period": "day",
    "created_at": "2026-05-08T10:30:00.000Z",
    "last_used_at": None,
    "expires_at": "2026-08-06T10:30:00.000Z",
}
SHOWN = {**KEY, "key": "egg_live_GNFg5Rp62clIsQjkxkz0oBbd8sSUAE04Ab3d"}
KEYS_PAGE = {"items": [KEY], "pagination": {"page": 1, "per_page": 20, "total": 1, "total_pages": 1}}
keys_operation = partial(operation, "Keys")


def change(verb: str, summary: str, description: str, state: str) -> Any:
    return keys_operation(
        f"{verb}_key",
        summary,
        description,
        request=None,
        responses={
            **answer(200, KeySerializer, "The key as it now is.", {**KEY, "state": state}),
            **refusals(NotFound, *TO_CALLERS),
        },
    )


key_list = keys_operation(
    "list_keys",
    "List keys",
    "The newest first, in the mode chosen in the dashboard.",
    parameters=PAGES,
    responses={
        **answer(200, KeyPageSerializer, "A page.", KEYS_PAGE),
        **refusals(ValidationFailed, *TO_CALLERS),
    },
)
key_make = keys_operation(
    "make_key",
    "Make a key",
    "In the mode chosen in the dashboard. The key is shown this once.",
    request=NewKeySerializer,
    examples=[OpenApiExample("key", NEW_KEY, request_only=True)],
    responses={
        **answer(201, ShownKeySerializer, "The new key.", SHOWN),
        **refusals(ValidationFailed, *BODY_FAULTS, *TO_CALLERS),
    },
)
key_roll = keys_operation(
    "roll_key",
    "Roll a key",
    "Makes a key with the same terms, which begins a budget of its own. The old one works for the overlap.",
    request=RollSerializer,
    examples=[OpenApiExample("roll", {"overlap": "24h"}, request_only=True)],
    responses={
        **answer(201, ShownKeySerializer, "The new key.", {**SHOWN, "id": 8}),
        **refusals(ValidationFailed, NotFound, *BODY_FAULTS, *TO_CALLERS),
    },
)
key_disable = change("disable", "Disable a key", "The next request with it fails, until it is enabled.", "disabled")
key_enable = change("enable", "Enable a key", "Takes back that it was disabled.", "usable")
key_revoke = change("revoke", "Revoke a key", "The next request with it fails, for ever.", "revoked")
key_revoke_all = keys_operation(
    "revoke_all_keys",
    "Revoke all keys",
    "Of both modes, and for ever.",
    request=None,
    responses={**answer(200, RevokedSerializer, "Done.", {"revoked": 3}), **refusals(*TO_CALLERS)},
)
key_report = keys_operation(
    "report_key",
    "Report a key that leaked",
    "For whoever finds one: a valid key is revoked, and its owners are told. No key is needed.",
    request=FoundKeySerializer,
    examples=[OpenApiExample("found", {"key": SHOWN["key"]}, request_only=True)],
    responses={
        **answer(200, ReportedSerializer, "Done.", {"revoked": True}),
        **refusals(ValidationFailed, *BODY_FAULTS, *TO_ANYBODY),
    },
)
