"""Read the request body, within limits of size and time, and load it through a schema."""

import gc
from typing import Any

import gevent
from flask import request
from gunicorn.http.errors import ParseException
from marshmallow import Schema

from schemas.errors import ApiError, invalid
from schemas.requests import body
from webapp.services import services

LARGE = 64 * 1024
"""A refused body of more bytes than this is garbage-collected at once."""


def load(schema: Schema) -> Any:
    """Read the body and return what `schema` makes of it. Raises `ApiError` (400, 408, 415) or Werkzeug's 413."""
    raw = _read()
    try:
        return body.load(schema, body.parse(raw))
    except ApiError:
        if len(raw) > LARGE:
            gc.collect(1)  # a nested schema's errors are reference cycles that `body.load` cannot break
        raise


def _read() -> bytes:
    if request.mimetype not in ("application/json", ""):
        raise ApiError(
            415, f"Send the body as application/json, not {request.mimetype}.", code="unsupported_media_type"
        )
    settings = services().settings
    late = ApiError(408, f"The body did not arrive within {settings.body_seconds:g} seconds.", code="request_timeout")
    try:
        with gevent.Timeout(settings.body_seconds, late):
            data = request.get_data(cache=False)
    except ParseException as error:  # gunicorn parses a body's chunks when they are read
        raise invalid(f"The body's transfer encoding is malformed: {error}.") from None
    if request.content_length is not None and len(data) != request.content_length:
        raise invalid(f"The body ended after {len(data)} of the {request.content_length} bytes of its Content-Length.")
    return data
