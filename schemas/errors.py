"""OpenAI's error envelope, and the exception that carries one through either tier."""

from typing import Any


class ApiError(Exception):
    """An answer that is an error.

    `param` names the field of the request body (`messages[1].content`), `code` is OpenAI's machine-readable name,
    `retry_after` (seconds) becomes the `Retry-After` header.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.type = type
        self.code = code
        self.param = param
        self.retry_after = retry_after

    def body(self) -> dict[str, Any]:
        """`{"error": {"message", "type", "param", "code"}}`."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


def invalid(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """400: the request itself is wrong."""
    return ApiError(400, message, param=param, code=code)


def context_length_exceeded(prompt_tokens: int, max_model_len: int, param: str) -> ApiError:
    """400: the prompt leaves no room for an answer."""
    return invalid(
        f"This model's maximum context length is {max_model_len} tokens, and the prompt has {prompt_tokens}: "
        "it must leave room for at least one token of the answer.",
        param,
        "context_length_exceeded",
    )


def unavailable(message: str, code: str, retry_after: int = 5) -> ApiError:
    """503: the engine cannot take the request now; the same request may succeed later."""
    return ApiError(503, message, type="service_unavailable", code=code, retry_after=retry_after)


def overloaded(what: str, code: str, retry_after: int) -> ApiError:
    """429: a limit of `what` is reached for now."""
    message = f"{what} are waiting or running. Try again in {retry_after} s."
    return ApiError(429, message, type="rate_limit_error", code=code, retry_after=retry_after)
