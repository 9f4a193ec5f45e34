"""Turns the bytes of a body into a valid request, or raises the `ApiError` that says what is invalid."""

from typing import Any

import msgspec
from marshmallow import Schema, ValidationError

from schemas.errors import ApiError, invalid, shortened
from schemas.requests.parts import warnings
from schemas.requests.parts.arguments import is_deep
from schemas.requests.parts.json_types import Body
from schemas.requests.reading import lenient_json
from schemas.shared import client_json

MAX_KEYS = 1000
"""Fields of a body, those that are ignored included."""
MAX_LEVELS = 256
"""Levels of a body's fields. The parser reads almost 1,000, which Python cannot copy, encode or show everywhere."""


def parse(raw: bytes, what: str = "The body") -> dict[str, Any]:
    """Return the JSON object in `raw`, parsed strictly. `what` begins the error messages.

    Lone surrogates, which are halves of characters, are replaced by U+FFFD, with a warning. Raises `ApiError` (400),
    which names the field where a number is not finite, or that is nested too deeply.
    """
    warnings.begin()
    try:
        value = client_json.decode(raw)
    except RecursionError:
        raise invalid(f"{what} is nested too deeply.") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        value = lenient_json.parse(raw)
        if value is None:
            raise invalid(f"{what} is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise invalid(f"{what} must be a JSON object.")
    if (deep := _deep_field(value, raw)) is not None:
        field = shortened(deep)
        raise invalid(f"Invalid value for `{field}`: Expected at most {MAX_LEVELS} levels.", field)
    return value


def _deep_field(body: dict[str, Any], raw: bytes) -> str | None:
    """Return the first field of `body`, the object in `raw`, that has more than `MAX_LEVELS` levels. None: no field."""
    if raw.count(b"{") + raw.count(b"[") <= MAX_LEVELS:
        return None
    return next((name for name, value in body.items() if is_deep(value, MAX_LEVELS)), None)


def load(schema: Schema, body: dict[str, Any]) -> Any:
    """Return what `schema` loads from `body`. Raises `ApiError` (400)."""
    if len(body) > MAX_KEYS:
        raise invalid(f"The body has more than {MAX_KEYS} fields.")
    try:
        return schema.load(body)
    except ValidationError as error:
        # Its traceback refers to marshmallow's frames, and these to the body, which need not wait for the answer.
        raise from_validation(error.with_traceback(None)) from error


def accept(schema: Body, raw: bytes) -> Any:
    """Return what `schema` loads from the JSON object in `raw`, or None where `parse` and `load` must decide.

    What makes bodies expensive is left to these: mending what is no strict JSON, and marshmallow's errors.
    """
    warnings.begin()
    try:
        value = client_json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(value, dict) or len(value) > MAX_KEYS or _deep_field(value, raw) is not None:
        return None
    return schema.accept(value)


def from_validation(error: ValidationError) -> ApiError:
    """Return the first error of `error` as a 400, with its path (`messages[1].content`) as `param`."""
    path, message = _first(error.normalized_messages())  # type: ignore[no-untyped-call]
    path, message = shortened(path), shortened(message)
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
