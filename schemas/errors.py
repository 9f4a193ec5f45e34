"""OpenAI's error envelope, and the exception that both tiers raise for it."""

import re
from collections.abc import Mapping
from typing import Any


class ApiError(Exception):
    """An error to send to the client as the answer to its request.

    `status` is the HTTP status. `param` names the field of the request body (`messages[1].content`), `code` is OpenAI's
    machine-readable name of the error, and `retry_after`, in seconds, becomes the `Retry-After` header. `final`: the
    request must not be sent again. OpenAI's SDKs repeat what fails with a 5xx, unless `x-should-retry` says `false`.
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
        final: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.type = type
        self.code = code
        self.param = param
        self.retry_after = retry_after
        self.final = final

    def body(self) -> dict[str, Any]:
        """Return `{"error": {"message", "type", "param", "code"}}`, OpenAI's envelope."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}

    def rename(self, names: Mapping[str, str]) -> "ApiError":
        """Name the field as another API does, and return the error. May be called twice.

        `names`: from a name, a regular expression, to the name that replaces it.
        """
        for theirs, ours in names.items():
            if self.param is not None and re.match(rf"{theirs}\b", self.param):
                param = re.sub(rf"{theirs}\b", ours, self.param, count=1)
                self.message, self.param = self.message.replace(f"`{self.param}`", f"`{param}`"), param
                break
        return self


MAX_QUOTED = 200
"""Characters of a client's own text that an error repeats."""


def quoted(value: Any) -> str:
    """Return `value` as an error message quotes it: its beginning, in quotation marks if it is a string."""
    text = repr(value[: MAX_QUOTED + 1] if isinstance(value, (str, list)) else value)
    return text if len(text) <= MAX_QUOTED else f"{text[:MAX_QUOTED]}..."


MAX_SHOWN = 400
"""Characters of a path or a message in an error. Both may repeat what the client sent: names of unknown fields, say."""


def shortened(text: str) -> str:
    """Return `text`, cut after `MAX_SHOWN` characters."""
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def invalid(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """Return a 400: the request itself is wrong."""
    return ApiError(400, message, param=param, code=code)


def context_length_exceeded(prompt_tokens: int, max_model_len: int, param: str) -> ApiError:
    """Return a 400: the prompt leaves no room in the context for even one token of the answer."""
    return invalid(
        f"This model's maximum context length is {max_model_len} tokens, and the prompt has {prompt_tokens}: "
        "it must leave room for at least one token of the answer.",
        param,
        "context_length_exceeded",
    )


def unavailable(message: str, code: str, retry_after: int = 5) -> ApiError:
    """Return a 503: the engine cannot take the request now, and the same request may succeed after `retry_after` s."""
    return ApiError(503, message, type="service_unavailable", code=code, retry_after=retry_after)


def overloaded(limit: str, code: str, retry_after: int) -> ApiError:
    """Return a 429: a limit is reached for now. `limit` begins the message ("The queue is full: 256 answers")."""
    message = f"{limit} are waiting or running. Try again in {retry_after} s."
    return ApiError(429, message, type="rate_limit_error", code=code, retry_after=retry_after)
