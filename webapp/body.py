"""The request body: JSON, strictly, within limits of size and time."""

import json
import math
from typing import Any

import gevent
import msgspec
from flask import current_app, request
from marshmallow import Schema, ValidationError

from schemas.errors import ApiError, invalid
from webapp.errors import from_validation
from webapp.settings import Settings


def load(schema: Schema) -> Any:
    """Read the body and load it through `schema`. Raises `ApiError` (400, 408, 415) or werkzeug's 413."""
    body = _parse(_read())
    if not isinstance(body, dict):
        raise invalid("The body must be a JSON object.")
    try:
        return schema.load(body)
    except ValidationError as error:
        raise from_validation(error) from error


def _read() -> bytes:
    if request.mimetype not in ("application/json", ""):
        raise ApiError(
            415, f"Send the body as application/json, not {request.mimetype}.", code="unsupported_media_type"
        )
    settings: Settings = current_app.extensions["settings"]
    late = ApiError(408, f"The body did not arrive within {settings.body_seconds:g} seconds.", code="request_timeout")
    with gevent.Timeout(settings.body_seconds, late):
        body = request.get_data(cache=False)
    if request.content_length is not None and len(body) != request.content_length:
        raise invalid(f"The body ended after {len(body)} of the {request.content_length} bytes of its Content-Length.")
    return body


def _parse(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except RecursionError:
        raise invalid("The body is nested too deeply.") from None
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError) as error:
        where = _find_bad_value(body)
        if where is not None:
            raise invalid(f"Invalid value for `{where[0]}`: {where[1]}", where[0]) from None
        raise invalid(f"The body is not valid JSON: {error}") from None


def _find_bad_value(body: bytes) -> tuple[str, str] | None:
    """The path of a value that Python's lenient parser takes and JSON does not: NaN, Infinity, a lone surrogate."""
    try:
        value = json.loads(body)
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
