"""Errors as Anthropic's API sends them."""

from typing import Any

from schemas.errors import ApiError

TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
"""By status. Other statuses below 500 are `invalid_request_error`, the rest `api_error`."""
TOO_LONG = "prompt is too long"
"""What Anthropic's message says of a prompt that exceeds the context: Claude Code then shortens the conversation."""


def error_body(error: ApiError, request_id: str) -> dict[str, Any]:
    """Return `{"type": "error", "error": {"type", "message"}, "request_id"}`."""
    kind = TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "api_error")
    message = f"{TOO_LONG}: {error.message}" if error.code == "context_length_exceeded" else error.message
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": request_id}
