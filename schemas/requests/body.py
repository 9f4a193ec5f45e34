"""From the bytes of a body to a valid request, or to the `ApiError` that says what is wrong with it."""

import json
import math
from typing import Any

import msgspec
from marshmallow import Schema, ValidationError

from schemas.errors import ApiError, invalid


def parse(raw: bytes, what: str = "The body") -> dict[str, Any]:
    """A JSON object, strictly. Raises `ApiError` (400) that names the field of a value that JSON has not."""
    try:
        value = msgspec.json.decode(raw)
    except RecursionError:
        raise invalid(f"{what} is nested too deeply.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        where = _find_bad_value(raw)
        if where is not None:
            raise invalid(f"Invalid value for `{where[0]}`: {where[1]}", where[0]) from None
        raise invalid(f"{what} is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise invalid(f"{what} must be a JSON object.")
    return value


def load(schema: Schema, body: dict[str, Any]) -> Any:
    """What `schema` makes of `body`. Raises `ApiError` (400)."""
    try:
        return schema.load(body)
    except ValidationError as error:
        # marshmallow's frames hold the error, whose traceback holds them, and they hold the body: a ring that would
        # wait for the garbage collection, with megabytes in it.
        raise from_validation(error.with_traceback(None)) from error


def from_validation(error: ValidationError) -> ApiError:
    """The first complaint of a schema: `param` is its path (`messages[1].content`)."""
    path, message = _first(error.normalized_messages())  # type: ignore[no-untyped-call]
    return invalid(f"Invalid value for `{path}`: {message}" if path else message, path or None)


def _first(messages: Any, path: str = "") -> tuple[str, str]:
    if isinstance(messages, dict):
        key, inner = next(iter(messages.items()))
        if key == "_schema":
            return _first(inner, path)
        return _first(inner, f"{path}[{key}]" if isinstance(key, int) else f"{path}.{key}" if path else str(key))
    if isinstance(messages, list):
        return _first(messages[0], path)
    return path, str(messages)


def _find_bad_value(raw: bytes) -> tuple[str, str] | None:
    """The path of a value that Python's lenient parser takes and JSON does not: NaN, Infinity, a lone surrogate."""
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    pending: list[tuple[str, Any]] = [("", value)]
    while pending:
        path, value = pending.pop()
        if isinstance(value, float) and not math.isfinite(value):
            return path, "Expected a finite number."
        if isinstance(value, str) and not _is_unicode(value):
            return path, "The text has a lone surrogate, which is no Unicode character."
        if isinstance(value, dict):
            pending.extend(
                (f"{path}.{key}" if path else key, inner) for key, inner in value.items() if _is_unicode(key)
            )
        elif isinstance(value, list):
            pending.extend((f"{path}[{index}]", inner) for index, inner in enumerate(value))
    return None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
