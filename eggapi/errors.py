"""Everything /v1 can answer besides success.

ApiError
    BadRequest            400 BAD_REQUEST
    ValidationFailed      400 VALIDATION_ERROR      names the fields
    Unauthorized          401 UNAUTHORIZED
    Forbidden             403 FORBIDDEN
    InsufficientBalance   403 INSUFFICIENT_BALANCE
    NotFound              404 NOT_FOUND
    MethodNotAllowed      405 METHOD_NOT_ALLOWED
    IdempotencyInFlight   409 IDEMPOTENCY_IN_FLIGHT
    PayloadTooLarge       413 PAYLOAD_TOO_LARGE
    UnsupportedMediaType  415 UNSUPPORTED_MEDIA_TYPE
    IdempotencyMismatch   422 IDEMPOTENCY_MISMATCH
    RateLimited           429 RATE_LIMITED          says when to come back
    InternalError         500 INTERNAL_ERROR
    UpstreamError         502 UPSTREAM_ERROR
    ServiceUnavailable    503 SERVICE_UNAVAILABLE   says when to come back
"""

from collections.abc import Mapping


class ApiError(Exception):
    status = 500
    code = "INTERNAL_ERROR"
    message = "Something went wrong on our side. Nothing was charged."

    def __init__(
        self,
        message: str = "",
        *,
        fields: Mapping[str, str] | None = None,
        retry_after: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`fields` maps a field's name to what is wrong with it; `retry_after` is in seconds."""
        self.message = message or self.message
        self.fields = dict(fields or {})
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["Retry-After"] = str(retry_after)
        super().__init__(self.message)


class InternalError(ApiError):
    pass


class BadRequest(ApiError):
    status, code, message = 400, "BAD_REQUEST", "The request cannot be read."


class ValidationFailed(ApiError):
    status, code, message = 400, "VALIDATION_ERROR", "The request is not valid."

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {fault}" for name, fault in fields.items()), fields=fields)


class Unauthorized(ApiError):
    status, code, message = 401, "UNAUTHORIZED", "Invalid API key"

    def __init__(self, message: str = "") -> None:
        super().__init__(message, headers={"WWW-Authenticate": "Bearer"})


class Forbidden(ApiError):
    status, code, message = 403, "FORBIDDEN", "This is not allowed."


class InsufficientBalance(ApiError):
    status, code, message = 403, "INSUFFICIENT_BALANCE", "The balance does not cover this request."


class NotFound(ApiError):
    status, code, message = 404, "NOT_FOUND", "There is nothing here."


class MethodNotAllowed(ApiError):
    status, code, message = 405, "METHOD_NOT_ALLOWED", "This address does not take this method."


class IdempotencyInFlight(ApiError):
    status, code = 409, "IDEMPOTENCY_IN_FLIGHT"
    message = "A request with this Idempotency-Key is still being accepted."


class PayloadTooLarge(ApiError):
    status, code, message = 413, "PAYLOAD_TOO_LARGE", "The body is larger than 1 MiB."


class UnsupportedMediaType(ApiError):
    status, code, message = 415, "UNSUPPORTED_MEDIA_TYPE", "Send JSON with Content-Type: application/json."


class IdempotencyMismatch(ApiError):
    status, code = 422, "IDEMPOTENCY_MISMATCH"
    message = "This Idempotency-Key was used with another body."


class RateLimited(ApiError):
    status, code, message = 429, "RATE_LIMITED", "Too many requests."


class UpstreamError(ApiError):
    status, code, message = 502, "UPSTREAM_ERROR", "The provider did not answer as it should."


class ServiceUnavailable(ApiError):
    status, code, message = 503, "SERVICE_UNAVAILABLE", "Temporarily unavailable. Nothing was charged; try again."

    def __init__(self, message: str = "", *, retry_after: int = 2) -> None:
        super().__init__(message, retry_after=retry_after)
