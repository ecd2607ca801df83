"""What /v1 says of events, for /openapi.json alone: nothing here is run by a request."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers

from eggapi import pagination
from eggapi.errors import ValidationFailed
from eggapi.openapi import TO_CALLERS, refusals
from webhooks.models import Event

EVENTS, MOST_EVENTS = 100, 1000
ENDED = ["completed", "failed"]


class FactsSerializer(serializers.Serializer):
    metadata = serializers.DictField(child=serializers.CharField(), allow_null=True, help_text="What was submitted.")
    expires_at = serializers.DateTimeField(allow_null=True, help_text="When the pictures go.")
    ended = serializers.CharField(help_text="Why the task ended, in a word.")
    attempts = serializers.IntegerField(min_value=0, help_text="How many routes were tried.")


class PicturesSerializer(serializers.Serializer):
    url = serializers.URLField()
    urls = serializers.ListField(child=serializers.URLField())


class WebhookSerializer(serializers.Serializer):
    """The body of a webhook."""

    event = serializers.ChoiceField(Event.Type.choices)
    task_id = serializers.RegexField(r"^gen_[a-z0-9]{24}$")
    status = serializers.ChoiceField(ENDED)
    model = serializers.CharField()
    output = PicturesSerializer(allow_null=True)
    error = serializers.CharField(allow_null=True)
    cost = serializers.RegexField(r"^\d+\.\d{6}$", help_text="Dollars.")
    timestamp = serializers.IntegerField(help_text="The Unix second at which the task ended.")
    data = FactsSerializer()  # type: ignore[assignment]  # a serializer has a property of that name


class EventSerializer(serializers.Serializer):
    id = serializers.RegexField(r"^msg_[a-z0-9]{24}$", help_text="The webhook-id of its webhook.")
    type = serializers.ChoiceField(Event.Type.choices)
    created_at = serializers.DateTimeField()
    data = WebhookSerializer(  # type: ignore[assignment]  # as above
        allow_null=True, help_text="The body of its webhook; null once that was forgotten."
    )


class EventFeedSerializer(serializers.Serializer):
    items = EventSerializer(many=True)
    has_more = serializers.BooleanField(help_text="Whether there are later ones: ask again, after the last of these.")


BODY: dict[str, Any] = {
    "event": "task.failed",
    "task_id": "gen_4k2m9x7q1w8e5r3t6y0u2i4o",
    "status": "failed",
    "model": "nanobanana",
    "output": None,
    "error": "Content moderation: prompt contains prohibited content",
    "cost": "0.000000",
    "timestamp": 1778236212,
    "data": {"metadata": {"order": "1234"}, "expires_at": None, "ended": "refused", "attempts": 1},
}
EVENT = {
    "id": "msg_7h2k9m4p1s6v3x8z5b0d2g4j",
    "type": "task.failed",
    "created_at": "2026-05-08T10:30:12.000Z",
    "data": BODY,
}

event_feed = extend_schema(
    operation_id="list_events",
    tags=["Events"],
    summary="Catch up on events",
    description=(
        "Every task that ended, in the order it did, with the ids and the bodies of the webhooks. Keep the id of the"
        " last one and ask for what came after it; whatever became of the webhooks, nothing is missed."
    ),
    parameters=[
        OpenApiParameter("after", str, description="The id of an event; without it the feed begins with the first."),
        OpenApiParameter(
            "limit",
            {"type": "integer", "minimum": 1, "maximum": pagination.LARGEST, "default": EVENTS},
            description=f"At most {MOST_EVENTS}; more is taken for {MOST_EVENTS}.",
        ),
    ],
    responses={
        200: OpenApiResponse(
            EventFeedSerializer,
            description="The next ones.",
            examples=[OpenApiExample("events", {"items": [EVENT], "has_more": False})],
        ),
        **refusals(ValidationFailed, *TO_CALLERS),
    },
)
