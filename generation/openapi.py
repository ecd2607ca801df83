"""What /v1 says of tasks and models, for /openapi.json alone: nothing here is run by a request."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers

from eggapi import errors
from eggapi.addresses import MAX_URL_LENGTH
from eggapi.openapi import PAGES, TO_ANYBODY, TO_CALLERS, DollarField, PaginationSerializer, refusals
from generation import fields
from generation.models import Status, Task

ID, CREATED_AT = "gen_4k2m9x7q1w8e5r3t6y0u2i4o", "2026-05-08T10:30:00.000Z"
URL = f"https://api.example.com/files/images/{ID}/f7h2k9m4p1s6v3x8z5b0d2g4j/0.png?expires=1779532212&signature=..."


def bounded(bounds: tuple[int, int], **options: Any) -> serializers.IntegerField:
    least, most = bounds
    return serializers.IntegerField(min_value=least, max_value=most, required=False, **options)


def address(**options: Any) -> serializers.URLField:
    return serializers.URLField(max_length=MAX_URL_LENGTH, **options)


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


PENDING = {
    "id": ID,
    "status": "pending",
    "model": "nanobanana",
    "type": "image_generate",
    "cost": "$0.00",
    "created_at": CREATED_AT,
}
ENDED = {"started_at": "2026-05-08T10:30:01.000Z", "completed_at": "2026-05-08T10:30:12.000Z"}
COMPLETED = PENDING | {"status": "completed", "output": {"url": URL, "urls": [URL]}, "cost": "$0.0100"} | ENDED
FAILED = PENDING | {"status": "failed", "error": "Content moderation: prompt contains prohibited content"} | ENDED
PAGE = {"items": [COMPLETED], "pagination": {"page": 1, "per_page": 20, "total": 1, "total_pages": 1}}
NANOBANANA = {
    "id": "nanobanana",
    "description": "Fast image generation and editing.",
    "types": ["image_generate", "image_edit"],
    "aspect_ratios": ["16:9", "9:16"],
    "resolutions": ["1k"],
    "prices": {"1k": "$0.0100"},
    "limits": {"prompt": 2000, "negative_prompt": 1000, "num_outputs": 4, "image_urls": 9},
}
GENERATION = {
    "model": "nanobanana-pro",
    "prompt": "A futuristic cityscape at night, cyberpunk style",
    "negative_prompt": "blurry, low quality",
    "aspect_ratio": "16:9",
    "resolution": "2k",
    "num_outputs": 2,
    "webhook_url": "https://webhook.site/your-webhook-id",
}
EDITING = {
    "model": "nanobanana-pro",
    "prompt": "Transform into a professional studio portrait",
    "image_urls": ["https://example.com/image.jpg"],
}

generate = extend_schema(
    operation_id="generate",
    tags=["Tasks"],
    summary="Submit a task",
    description=(
        "Answers at once; poll the task, or give a `webhook_url`. The price is held until the task has ended. "
        "A field that is null counts as absent, and one that is not known is ignored."
    ),
    parameters=[
        OpenApiParameter(
            "Idempotency-Key",
            {"type": "string", "pattern": r"^[\x20-\x7e]{1,255}$"},
            OpenApiParameter.HEADER,
            description="The same key with the same body within 48 hours is the same task.",
        ),
        OpenApiParameter(
            "Idempotent-Replayed",
            {"type": "string", "enum": ["true"]},
            OpenApiParameter.HEADER,
            description="The task was accepted before, under this Idempotency-Key.",
            response=[202],
        ),
    ],
    request=GenerateSerializer,
    examples=[
        OpenApiExample("generation", GENERATION, request_only=True),
        OpenApiExample("editing", EDITING, request_only=True),
    ],
    responses={
        202: OpenApiResponse(
            TaskSerializer,
            description="The task is accepted.",
            examples=[OpenApiExample("pending", PENDING, status_codes=[202])],
        ),
        **refusals(
            errors.BadRequest,
            errors.ValidationFailed,
            errors.InsufficientBalance,
            errors.IdempotencyInFlight,
            errors.PayloadTooLarge,
            errors.UnsupportedMediaType,
            errors.IdempotencyMismatch,
            *TO_CALLERS,
        ),
    },
)

task_detail = extend_schema(
    operation_id="get_task",
    tags=["Tasks"],
    summary="Get a task",
    description="A failed task is a 200 too: its `error` says why.",
    responses={
        200: OpenApiResponse(
            TaskSerializer,
            description="The task as it is now.",
            examples=[
                OpenApiExample("pending", PENDING),
                OpenApiExample("completed", COMPLETED),
                OpenApiExample("failed", FAILED),
            ],
        ),
        **refusals(errors.NotFound, *TO_CALLERS),
    },
)

task_list = extend_schema(
    operation_id="list_tasks",
    tags=["Tasks"],
    summary="List tasks",
    description="The newest first. A filtered total is exact up to 10,000.",
    parameters=[
        *PAGES,
        OpenApiParameter("status", {"type": "string", "enum": Status.values}),
        OpenApiParameter("model", str),
        OpenApiParameter("key", int, description="The id of the API key that submitted."),
    ],
    responses={
        200: OpenApiResponse(TaskPageSerializer, description="A page.", examples=[OpenApiExample("page", PAGE)]),
        **refusals(errors.ValidationFailed, *TO_CALLERS),
    },
)

model_list = extend_schema(
    operation_id="list_models",
    tags=["Models"],
    summary="List models",
    description="What is on sale, with prices and limits. No key is needed.",
    responses={
        200: OpenApiResponse(
            ImageModelSerializer(many=True),
            description="All of them.",
            examples=[OpenApiExample("model", NANOBANANA)],
        ),
        **refusals(*TO_ANYBODY),
    },
)
