"""What /v1 says of tasks and models, for /openapi.json alone: nothing here is run by a request."""

from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    PolymorphicProxySerializer,
    extend_schema,
)

from eggapi import errors
from eggapi.openapi import PAGES, TO_ANYBODY, TO_CALLERS, refusals
from generation.models import Status
from generation.schemas import (
    GenerateSerializer,
    ImageModelSerializer,
    QuoteSerializer,
    ReceiptSerializer,
    TaskPageSerializer,
    TaskSerializer,
)

ID, CREATED_AT = "gen_4k2m9x7q1w8e5r3t6y0u2i4o", "2026-05-08T10:30:00.000Z"
URL = f"https://api.example.com/files/images/{ID}/f7h2k9m4p1s6v3x8z5b0d2g4j/0.png?expires=1779532212&signature=..."

AcceptedOrQuote = PolymorphicProxySerializer(
    component_name="EndedTaskOrQuote", serializers=[TaskSerializer, QuoteSerializer], resource_type_field_name=None
)
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
CANCELED = PENDING | {"status": "failed", "error": "Canceled: nothing was charged."} | ENDED
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

QUOTE = {
    "dry_run": True,
    "cost": "$0.0320",
    "covered": True,
    "routes": [
        {"route": "Route A", "obstacle": "busy"},
        {"route": "Route B", "obstacle": None},
        {"route": "Route C", "obstacle": "unsuitable", "fields": ["resolution"]},
    ],
}
RECEIPT = {
    "id": ID,
    "status": "completed",
    "model": "nanobanana",
    "type": "image_generate",
    "requested": 2,
    "held": "$0.0200",
    "captured": "$0.0100",
    "released": "$0.0100",
    "refunded": "$0.00",
    "price": {"rule": "nanobanana/1k#1", "resolution": "1k", "unit": "$0.0100", "since": "2026-05-01T00:00:00.000Z"},
    "attempts": [
        {
            "route": "Route A",
            "outcome": "unavailable",
            "started_at": "2026-05-08T10:30:01.000Z",
            "ended_at": "2026-05-08T10:30:02.000Z",
        },
        {
            "route": "Route B",
            "outcome": "delivered",
            "started_at": "2026-05-08T10:30:02.000Z",
            "ended_at": "2026-05-08T10:30:12.000Z",
        },
    ],
    "timings": {
        "created_at": CREATED_AT,
        **ENDED,
        "deadline_at": "2026-05-08T10:35:00.000Z",
        "waited_ms": 1000,
        "total_ms": 12000,
    },
    "ended": "completed",
    "error": None,
    "expires_at": "2026-05-23T10:30:12.000Z",
    "key": 7,
    "metadata": {"order": "1234"},
}
KEY_ID = {"type": "integer", "minimum": 0, "maximum": 10**18 - 1}
EVENT = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "pattern": "^msg_[a-z0-9]{24}$"},
        "event": {"type": "string", "enum": ["status"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
        "retry": {"type": "integer", "description": "Milliseconds."},
    },
}
STREAM = (
    f'retry: 2000\nevent: status\ndata: {{"id":"{ID}","status":"processing",...}}\n\n'
    ": still here\n\n"
    "id: msg_7h2k9m4p1s6v3x8z5b0d2g4j\nretry: 2000\nevent: status\ndata: "
    f'{{"id":"{ID}","status":"completed",...}}\n\n'
)

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
            response=[200, 202],
        ),
        OpenApiParameter(
            "Prefer",
            {"type": "string", "examples": ["wait=30"]},
            OpenApiParameter.HEADER,
            description="wait=N keeps the answer until the task has ended, for N seconds (60 at most).",
        ),
        OpenApiParameter(
            "Preference-Applied",
            {"type": "string"},
            OpenApiParameter.HEADER,
            description="The wait that was granted.",
            response=[200, 202],
        ),
    ],
    request=GenerateSerializer,
    examples=[
        OpenApiExample("generation", GENERATION, request_only=True),
        OpenApiExample("editing", EDITING, request_only=True),
    ],
    responses={
        200: OpenApiResponse(
            AcceptedOrQuote,
            description="The task has ended while you waited; or, of a dry run, what it would come to.",
            examples=[
                OpenApiExample("completed", COMPLETED, status_codes=[200]),
                OpenApiExample("dry_run", QUOTE, status_codes=[200]),
            ],
        ),
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

task_cancel = extend_schema(
    operation_id="cancel_task",
    tags=["Tasks"],
    summary="Cancel a task",
    description="Ends it and gives the money back, unless it has ended already: then nothing changes.",
    request=None,
    responses={
        200: OpenApiResponse(
            TaskSerializer,
            description="The task as it is now.",
            examples=[OpenApiExample("canceled", CANCELED), OpenApiExample("completed", COMPLETED)],
        ),
        **refusals(errors.NotFound, *TO_CALLERS),
    },
)

task_receipt = extend_schema(
    operation_id="get_receipt",
    tags=["Tasks"],
    summary="Get a receipt",
    description="What became of the money, which routes were tried, how long it took, and your metadata.",
    responses={
        200: OpenApiResponse(
            ReceiptSerializer, description="As things stand.", examples=[OpenApiExample("receipt", RECEIPT)]
        ),
        **refusals(errors.NotFound, *TO_CALLERS),
    },
)

task_events = extend_schema(
    operation_id="stream_task",
    tags=["Tasks"],
    summary="Follow a task",
    description=(
        "Server-sent events: the task at once and at every change of its status, until it has ended. The last one"
        " has the id that the webhook and the feed have. A comment every 15 seconds keeps the connection alive."
    ),
    parameters=[
        OpenApiParameter("Last-Event-ID", str, OpenApiParameter.HEADER, description="Sent by browsers that come back."),
    ],
    responses={
        (200, "text/event-stream"): OpenApiResponse(
            EVENT, description="The stream, event by event.", examples=[OpenApiExample("stream", STREAM)]
        ),
        204: OpenApiResponse(description="You have seen the last event: do not come back."),
        **refusals(errors.NotFound, *TO_CALLERS),
    },
)

task_delete = extend_schema(
    operation_id="delete_task",
    tags=["Tasks"],
    summary="Delete a task's content",
    description=(
        "Removes prompt, references, metadata and pictures of a task that has ended, and what its events told. "
        "What it cost stays."
    ),
    responses={
        200: OpenApiResponse(
            TaskSerializer,
            description="The task as it is now, without output.",
            examples=[OpenApiExample("deleted", {k: v for k, v in COMPLETED.items() if k != "output"})],
        ),
        **refusals(errors.BadRequest, errors.NotFound, *TO_CALLERS),
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
        OpenApiParameter("key", KEY_ID, description="The id of the API key that submitted."),
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
