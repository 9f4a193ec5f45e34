"""vLLM's refusals of what a client sent, as `ApiError`s that name the request's field."""

from collections.abc import Iterator
from contextlib import contextmanager

from vllm.exceptions import VLLMClientError

from schemas.errors import invalid, quoted


@contextmanager
def client_errors(field: str | None = None, *also: type[Exception]) -> Iterator[None]:
    """Raise an `ApiError` (400) in place of vLLM's exception for a client's mistake.

    `field` is the field to name. None: the one that vLLM names, if any; a member within a field, for example, has no
    name that the client could find. `also`: other exceptions with which vLLM refuses a value here.
    """
    try:
        yield
    except (VLLMClientError, *also) as error:
        raise invalid(_message(error), field or getattr(error, "parameter", None)) from error


def _message(error: Exception) -> str:
    if hasattr(error, "errors"):  # pydantic's, whose own text repeats the whole value, in many lines
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"]))
        return f"{first['msg']}, at {quoted(place)}." if place else str(first["msg"])
    return str(error.args[0]) if isinstance(error, VLLMClientError) and error.args else str(error)
