"""What /v1 says of accounts, for /openapi.json alone: nothing here is run by a request."""

from functools import partial

from rest_framework import serializers

from eggapi.errors import NotFound
from eggapi.openapi import TO_CALLERS, answer, operation, refusals

REQUESTED_AT, MADE_AT, EXPIRES_AT = (
    "2026-05-08T10:30:00.000Z",
    "2026-05-08T10:30:20.000Z",
    "2026-05-09T10:30:20.000Z",
)
URL = "https://api.example.com/files/exports/f7h2k9m4p1s6v3x8z5b0d2g4j/eggapi-account.zip?expires=1778322620&signature=..."
PENDING = {"status": "pending", "requested_at": REQUESTED_AT}
READY = {
    "status": "ready",
    "requested_at": REQUESTED_AT,
    "made_at": MADE_AT,
    "expires_at": EXPIRES_AT,
    "bytes": 48213,
    "url": URL,
}


class ExportSerializer(serializers.Serializer):
    status = serializers.ChoiceField(["pending", "ready"])
    requested_at = serializers.DateTimeField()
    made_at = serializers.DateTimeField(required=False)
    expires_at = serializers.DateTimeField(required=False, help_text="The file is gone then.")
    bytes = serializers.IntegerField(required=False)
    url = serializers.URLField(required=False, help_text="Whoever has it may read the file; no key is needed.")


class ClosingSerializer(serializers.Serializer):
    delete_at = serializers.DateTimeField(allow_null=True, help_text="Null where the account is to stay.")


account_operation = partial(operation, "Account", request=None)
EXPORTS = {
    **answer(200, ExportSerializer, "It is there to be fetched.", READY),
    **answer(202, ExportSerializer, "It is being made.", PENDING),
}
export_detail = account_operation(
    "get_export",
    "Get the export",
    "Of everything kept of the account.",
    responses=EXPORTS | refusals(NotFound, *TO_CALLERS),
)
export_make = account_operation(
    "make_export",
    "Export the account",
    "Account, people, keys, wallets, ledger, usage, tasks, outputs and events, as a ZIP of JSON lines. "
    "One that is being made, or is less than an hour old, is answered again.",
    responses=EXPORTS | refusals(*TO_CALLERS),
)
account_delete = account_operation(
    "delete_account",
    "Delete the account",
    "Its keys stop working at once. Seven days later people, keys, prompts, pictures and webhooks are removed.",
    responses=answer(200, ClosingSerializer, "It is to be deleted.", {"delete_at": "2026-05-15T10:30:00.000Z"})
    | refusals(*TO_CALLERS),
)
account_keep = account_operation(
    "keep_account",
    "Keep the account",
    "Takes back that the account is to be deleted. Its keys work again.",
    responses=answer(200, ClosingSerializer, "It stays.", {"delete_at": None}) | refusals(*TO_CALLERS),
)
