"""What /v1/webhooks is, for /openapi.json alone: nothing here is run by a request."""

from functools import partial

from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework import serializers

from eggapi.addresses import MAX_URL_LENGTH
from eggapi.errors import NotFound, ValidationFailed
from eggapi.openapi import BODY_FAULTS, PAGES, TO_CALLERS, PaginationSerializer, answer, operation, refusals
from webhooks import secrets
from webhooks.models import Delivery, Event

RECEIVER_STATES = ["failing", "disabled"]
EVENT_ID = r"^msg_[a-z0-9]{24}$"


class DeliverySerializer(serializers.Serializer):
    id = serializers.RegexField(EVENT_ID, help_text="The event's; sent as webhook-id.")
    type = serializers.ChoiceField(Event.Type.choices)
    task_id = serializers.RegexField(r"^gen_[a-z0-9]{24}$", allow_null=True)
    url = serializers.URLField()
    host = serializers.CharField(help_text="With its port.")
    state = serializers.ChoiceField(Delivery.State.choices)
    attempts = serializers.IntegerField(min_value=0)
    most_attempts = serializers.IntegerField(min_value=1, help_text="No more will be made unless somebody asks.")
    last_status = serializers.IntegerField(allow_null=True)
    last_error = serializers.CharField(allow_blank=True)
    created_at = serializers.DateTimeField()
    next_attempt_at = serializers.DateTimeField(allow_null=True)
    delivered_at = serializers.DateTimeField(allow_null=True, help_text="For the first time.")


class DeliveryAttemptSerializer(serializers.Serializer):
    n = serializers.IntegerField(min_value=1)
    at = serializers.DateTimeField()
    by_hand = serializers.BooleanField(help_text="Made because somebody asked.")
    status = serializers.IntegerField(allow_null=True)
    error = serializers.CharField(allow_blank=True)
    milliseconds = serializers.IntegerField(min_value=0)
    reply = serializers.CharField(allow_blank=True, help_text="The beginning of what the receiver answered.")


class DeliveryInFullSerializer(DeliverySerializer):
    payload = serializers.CharField(allow_null=True, help_text="The bytes that are signed; null after 90 days.")
    log = DeliveryAttemptSerializer(many=True, help_text="Of the last 30 days.")


class DeliveryPageSerializer(serializers.Serializer):
    items = DeliverySerializer(many=True)
    pagination = PaginationSerializer()


class OriginSerializer(serializers.Serializer):
    host = serializers.CharField(help_text="With its port.")
    state = serializers.ChoiceField(RECEIVER_STATES)
    failures = serializers.IntegerField(min_value=1)
    first_failure_at = serializers.DateTimeField(help_text="Since the last success.")
    last_failure_at = serializers.DateTimeField()
    last_error = serializers.CharField()
    disabled_at = serializers.DateTimeField(allow_null=True)


class OriginPageSerializer(serializers.Serializer):
    items = OriginSerializer(many=True)
    pagination = PaginationSerializer()


class HostSerializer(serializers.Serializer):
    host = serializers.CharField()


class EnabledSerializer(HostSerializer):
    enabled = serializers.BooleanField()


class SinceSerializer(serializers.Serializer):
    since = serializers.DateTimeField(help_text="Of events made at that time or later.")


class QueuedSerializer(serializers.Serializer):
    queued = serializers.IntegerField(min_value=0, help_text="At most 10,000 a call: call again until it is 0.")


class AddressSerializer(serializers.Serializer):
    url = serializers.URLField(max_length=MAX_URL_LENGTH, help_text="Public and https.")


class OverlapSerializer(serializers.Serializer):
    overlap = serializers.ChoiceField(
        list(secrets.OVERLAPS), default=secrets.OVERLAP, help_text="For how long the old secret signs along."
    )


class SecretSerializer(serializers.Serializer):
    secret = serializers.RegexField(r"^whsec_[0-9A-Za-z+/]{43}=$", help_text="Shown this once.")
    overlap = serializers.ChoiceField(list(secrets.OVERLAPS))


DELIVERED = {
    "id": "msg_r82jd0s9f8a7k6l5m4n3b2v1",
    "type": "task.completed",
    "task_id": "gen_4k2m9x7q1w8e5r3t6y0u2i4o",
    "url": "https://example.com/hooks/eggapi",
    "host": "example.com:443",
    "state": "delivered",
    "attempts": 2,
    "most_attempts": 10,
    "last_status": 200,
    "last_error": "",
    "created_at": "2026-05-08T10:30:12.000Z",
    "next_attempt_at": None,
    "delivered_at": "2026-05-08T10:30:18.000Z",
}
DUE = DELIVERED | {"state": "due", "next_attempt_at": "2026-05-08T11:02:00.000Z"}
TEST = DUE | {"type": "webhook.test", "task_id": None, "attempts": 0, "most_attempts": 1}
TEST |= {"last_status": None, "delivered_at": None}
LOG = [
    {"n": n, "at": f"2026-05-08T10:30:{at}.000Z", "by_hand": False, "status": status, "error": "", "milliseconds": 31}
    | {"reply": reply}
    for n, at, status, reply in [(1, "12", 503, "come back later"), (2, "18", 200, "ok")]
]
ORIGIN = {
    "host": "example.com:443",
    "state": "disabled",
    "failures": 48,
    "first_failure_at": "2026-05-03T08:12:44.000Z",
    "last_failure_at": "2026-05-08T10:30:12.000Z",
    "last_error": "HTTP 503",
    "disabled_at": "2026-05-08T10:30:12.000Z",
}
ONE_PAGE = {"page": 1, "per_page": 20, "total": 1, "total_pages": 1}
FILTERS = [
    OpenApiParameter("state", {"type": "string", "enum": Delivery.State.values}),
    OpenApiParameter("type", {"type": "string", "enum": Event.Type.values}),
    OpenApiParameter("host", str, description="With its port: example.com:443."),
    OpenApiParameter("task_id", str),
]
webhook_operation = partial(operation, "Webhooks")


def asking(example: dict[str, str]) -> list[OpenApiExample]:
    return [OpenApiExample("request", example, request_only=True)]


delivery_list = webhook_operation(
    "list_deliveries",
    "List deliveries",
    "The newest first, in the mode chosen in the dashboard. The total is exact up to 10,000.",
    parameters=[*PAGES, *FILTERS],
    responses={
        **answer(200, DeliveryPageSerializer, "A page.", {"items": [DELIVERED], "pagination": ONE_PAGE}),
        **refusals(ValidationFailed, *TO_CALLERS),
    },
)
delivery_detail = webhook_operation(
    "get_delivery",
    "Get a delivery",
    "With what is sent, and every attempt.",
    responses={
        **answer(200, DeliveryInFullSerializer, "The delivery.", {**DELIVERED, "payload": "{...}", "log": LOG}),
        **refusals(NotFound, *TO_CALLERS),
    },
)
resend = webhook_operation(
    "resend_delivery",
    "Resend a delivery",
    "One attempt more, whatever came of it so far: same webhook-id and body, new timestamp and signatures.",
    request=None,
    responses={
        **answer(202, DeliverySerializer, "It is due.", DUE | {"most_attempts": 11}),
        **refusals(NotFound, *TO_CALLERS),
    },
)
recover = webhook_operation(
    "recover_deliveries",
    "Recover failed deliveries",
    "Ten attempts more for every delivery that failed, or whose receiver was disabled, since a time.",
    request=SinceSerializer,
    examples=asking({"since": "2026-05-08T10:30:00Z"}),
    responses={
        **answer(202, QueuedSerializer, "They are due.", {"queued": 12}),
        **refusals(*BODY_FAULTS, ValidationFailed, *TO_CALLERS),
    },
)
replay = webhook_operation(
    "replay_deliveries",
    "Replay missing deliveries",
    "Ten attempts more for every event that never arrived and is not on its way.",
    request=None,
    responses={
        **answer(202, QueuedSerializer, "They are due.", {"queued": 12}),
        **refusals(*TO_CALLERS),
    },
)
send_test = webhook_operation(
    "send_test_event",
    "Send a test event",
    "One attempt, signed like any other. At most 20 a minute.",
    request=AddressSerializer,
    examples=asking({"url": "https://example.com/hooks/eggapi"}),
    responses={
        **answer(202, DeliverySerializer, "It is due; get it to see what came of it.", TEST),
        **refusals(*BODY_FAULTS, ValidationFailed, *TO_CALLERS),
    },
)
rotate_secret = webhook_operation(
    "rotate_webhook_secret",
    "Rotate the secret",
    "The new secret is shown this once. The old one signs along for the overlap.",
    request=OverlapSerializer,
    examples=asking({"overlap": "24h"}),
    responses={
        **answer(201, SecretSerializer, "The new secret.", {"secret": f"whsec_{'5' * 43}=", "overlap": "24h"}),
        **refusals(*BODY_FAULTS, ValidationFailed, *TO_CALLERS),
    },
)
origin_list = webhook_operation(
    "list_failing_receivers",
    "List failing receivers",
    "The hosts that have only failed of late, of both modes; one that is well is not here.",
    parameters=PAGES[:2],
    responses={
        **answer(200, OriginPageSerializer, "A page.", {"items": [ORIGIN], "pagination": ONE_PAGE}),
        **refusals(ValidationFailed, *TO_CALLERS),
    },
)
origin_enable = webhook_operation(
    "enable_receiver",
    "Enable a receiver",
    "Webhooks go to this host again. What it missed is sent by a recovery.",
    request=HostSerializer,
    examples=asking({"host": "example.com:443"}),
    responses={
        **answer(200, EnabledSerializer, "It is enabled.", {"host": "example.com:443", "enabled": True}),
        **refusals(NotFound, *BODY_FAULTS, ValidationFailed, *TO_CALLERS),
    },
)
