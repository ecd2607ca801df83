"""How drf-spectacular describes /v1: plain data, for the settings."""

SPECTACULAR_SETTINGS = {
    "TITLE": "EggAPI",
    "VERSION": "1",
    "DESCRIPTION": "One key, one endpoint, several providers of images. Every answer has `data` and `error`.",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/v1",
    "TAGS": [
        {"name": name} for name in ("Tasks", "Events", "Models", "Usage", "Balance", "Keys", "Webhooks", "Account")
    ],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_ADD_EXPLICIT_BLANK_NULL_CHOICE": True,
    "ENUM_NAME_OVERRIDES": {
        "AspectRatio": "generation.fields.ASPECT_RATIOS",
        "Resolution": "generation.fields.RESOLUTIONS",
        "TaskStatus": "generation.models.Status",
        "TaskType": "generation.models.Task.Type",
        "Mode": "accounts.models.Mode",
        "KeyState": ["usable", "disabled", "expired", "revoked"],
        "EventType": "webhooks.models.Event.Type",
        "DeliveryState": "webhooks.models.Delivery.State",
        "ReceiverState": "webhooks.dashboard_openapi.RECEIVER_STATES",
        "SecretOverlap": "webhooks.secrets.OVERLAPS",
        "EndedStatus": "webhooks.openapi.ENDED",
        "AttemptOutcome": "generation.receipt.OUTCOMES",
        "ErrorCode": "eggapi.openapi.CODES",
    },
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "eggapi.openapi.optional_may_be_null",
    ],
}
