"""The shapes of what /v1 takes and gives for tasks and models, for /openapi.json alone."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from eggapi.addresses import MAX_URL_LENGTH
from eggapi.openapi import DollarField, PaginationSerializer
from generation import fields, receipt
from generation.models import Status, Task
from generation.quote import Obstacle


def bounded(bounds: tuple[int, int], **options: Any) -> serializers.IntegerField:
    least, most = bounds
    return serializers.IntegerField(min_value=least, max_value=most, required=False, **options)


def address(**options: Any) -> serializers.URLField:
    return serializers.URLField(max_length=MAX_URL_LENGTH, **options)


@extend_schema_field(
    {
        "oneOf": [{"type": "string", "pattern": r"^\$?\d+(\.\d{1,6})?$"}, {"type": "number", "minimum": 0}],
        "examples": ["0.10", 0.1],
    }
)
class DollarsField(serializers.Field):
    """As a string or a number, with at most six decimals."""


@extend_schema_field(
    {
        "type": "object",
        "maxProperties": fields.MOST_METADATA,
        "propertyNames": {"minLength": 1, "maxLength": fields.METADATA_KEY_CHARACTERS},
        "additionalProperties": {"type": "string", "maxLength": fields.METADATA_VALUE_CHARACTERS},
    }
)
class MetadataField(serializers.Field):
    """Texts by name."""


class GenerateSerializer(serializers.Serializer):
    model = serializers.CharField(help_text="An id from /v1/models.")
    prompt = serializers.CharField(min_length=1, max_length=fields.PROMPT_CHARACTERS)
    negative_prompt = serializers.CharField(
        max_length=fields.NEGATIVE_PROMPT_CHARACTERS, required=False, allow_blank=True
    )
    aspect_ratio = serializers.ChoiceField(
        fields.ASPECT_RATIOS, default=fields.ASPECT_RATIOS[0], help_text="Width to height."
    )
    num_outputs = serializers.IntegerField(min_value=1, max_value=fields.MOST_OUTPUTS, default=1)
    resolution = serializers.ChoiceField(
        fields.RESOLUTIONS, required=False, help_text="One the model has; by default its first."
    )
    seed = bounded(fields.SEEDS, help_text="For the same picture again, where the provider can.")
    image_urls = serializers.ListField(
        child=address(),
        max_length=fields.MOST_IMAGE_URLS,
        required=False,
        help_text="Pictures to edit, public and https. With at least one the type is image_edit.",
    )
    webhook_url = address(required=False, help_text="Public and https; called when the task is completed or failed.")
    duration = bounded(fields.DURATION_SECONDS, help_text="Seconds, for models that make videos.")
    deadline_seconds = bounded(
        fields.DEADLINE_SECONDS, help_text="The task has ended by then; 300 by default, 600 for nanobanana-pro at 4k."
    )
    strategy = serializers.ChoiceField(
        fields.STRATEGIES, required=False, help_text="Which routes go first; auto by default."
    )
    dry_run = serializers.BooleanField(required=False, help_text="Only say what it would cost; nothing is made.")
    max_cost = DollarsField(required=False, help_text="Dollars; a request with a higher price is refused.")
    metadata = MetadataField(required=False, help_text="Yours; it comes back in the receipt and in the event's data.")


class OutputSerializer(serializers.Serializer):
    url = serializers.URLField(help_text="The first picture.")
    urls = serializers.ListField(child=serializers.URLField(), min_length=1, max_length=fields.MOST_OUTPUTS)


class TaskSerializer(serializers.Serializer):
    """A task. What is not set yet is left out."""

    id = serializers.RegexField(r"^gen_[a-z0-9]{24}$")
    status = serializers.ChoiceField(Status.choices)
    model = serializers.CharField()
    type = serializers.ChoiceField(Task.Type.choices)
    output = OutputSerializer(required=False, help_text="Of a completed task.")
    error = serializers.CharField(required=False, help_text="Why a task failed.")
    cost = DollarField(help_text="What was charged: nothing unless the task completed.")
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(required=False)
    completed_at = serializers.DateTimeField(required=False)


class TaskPageSerializer(serializers.Serializer):
    items = TaskSerializer(many=True)
    pagination = PaginationSerializer()


@extend_schema_field({"type": ["string", "null"], "enum": [*(obstacle.value for obstacle in Obstacle), None]})
class ObstacleField(serializers.Field):
    pass


class ChoiceSerializer(serializers.Serializer):
    route = serializers.CharField(help_text="Its public label.")
    obstacle = ObstacleField(
        help_text="Null for none; busy passes soon, unsuitable never: fields says what the route cannot serve."
    )
    fields = serializers.ListField(  # type: ignore[assignment]  # a serializer has a property of that name
        child=serializers.CharField(), required=False
    )


class QuoteSerializer(serializers.Serializer):
    """What a request would come to."""

    dry_run = serializers.BooleanField(help_text="True.")
    cost = DollarField(help_text="What would be held, and at most charged.")
    covered = serializers.BooleanField(help_text="Whether the balance has so much free.")
    routes = ChoiceSerializer(many=True, help_text="In the order in which they would be taken.")


class PriceSerializer(serializers.Serializer):
    rule = serializers.CharField(allow_null=True, help_text="The line of the price list, and its version.")
    resolution = serializers.ChoiceField(fields.RESOLUTIONS)
    unit = DollarField(help_text="For one picture.")
    since = serializers.DateTimeField(allow_null=True)


class AttemptSerializer(serializers.Serializer):
    route = serializers.CharField(help_text="Its public label.")
    outcome = serializers.ChoiceField(receipt.OUTCOMES)
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)


class TimingsSerializer(serializers.Serializer):
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    completed_at = serializers.DateTimeField(allow_null=True)
    deadline_at = serializers.DateTimeField()
    waited_ms = serializers.IntegerField(allow_null=True, help_text="Until the first route was asked.")
    total_ms = serializers.IntegerField(allow_null=True)


class ReceiptSerializer(serializers.Serializer):
    """What is not known yet is null. What was held is captured or released once the task has ended."""

    id = serializers.RegexField(r"^gen_[a-z0-9]{24}$")
    status = serializers.ChoiceField(Status.choices)
    model = serializers.CharField()
    type = serializers.ChoiceField(Task.Type.choices)
    requested = serializers.IntegerField(help_text="Pictures.")
    held = DollarField()
    captured = DollarField(help_text="What was charged.")
    released = DollarField(help_text="What was given back.")
    refunded = DollarField(help_text="What was given back of what was charged.")
    price = PriceSerializer()
    attempts = AttemptSerializer(many=True)
    timings = TimingsSerializer()
    ended = serializers.CharField(allow_null=True, help_text="Why the task ended, in a word.")
    error = serializers.CharField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True, help_text="When the pictures go.")
    key = serializers.IntegerField(allow_null=True, help_text="The id of the API key that submitted.")
    metadata = MetadataField(allow_null=True)


class LimitsSerializer(serializers.Serializer):
    prompt = serializers.IntegerField(help_text="Characters.")
    negative_prompt = serializers.IntegerField(help_text="Characters.")
    num_outputs = serializers.IntegerField()
    image_urls = serializers.IntegerField()


class ImageModelSerializer(serializers.Serializer):
    id = serializers.CharField()
    description = serializers.CharField()
    types = serializers.ListField(child=serializers.ChoiceField(Task.Type.choices))
    aspect_ratios = serializers.ListField(child=serializers.ChoiceField(fields.ASPECT_RATIOS))
    resolutions = serializers.ListField(child=serializers.ChoiceField(fields.RESOLUTIONS))
    prices = serializers.DictField(child=DollarField(), help_text="Dollars per picture, by resolution.")
    limits = LimitsSerializer()
