"""Read the request body, within limits of size and time, and load it through a schema."""

import gc
from typing import Any

import gevent
from flask import request
from gunicorn.http.errors import ParseException
from marshmallow import Schema

from schemas.errors import ApiError, invalid
from schemas.requests import body
from schemas.requests.counting import check_count
from webapp.services import services

LARGE = 64 * 1024
"""Bytes of a body that is loaded in a thread, so that other requests have their turn meanwhile."""


def load(schema: Schema) -> Any:
    """Read the body and return what `schema` makes of it. Raises `ApiError` (400, 408) or Werkzeug's 413."""
    raw = _read()
    if len(raw) <= LARGE:
        return body.load(schema, body.parse(raw))
    loaded = services().loader.apply(_try_load, (schema, raw))
    if isinstance(loaded, ApiError):
        gc.collect(1)  # a nested schema's errors are reference cycles that `body.load` cannot break
        try:
            raise loaded
        finally:
            del loaded, raw  # the error's traceback refers to this frame
    return loaded


def _try_load(schema: Schema, raw: bytes) -> Any:
    """Return an `ApiError` instead of raising it: gevent logs a traceback for each exception that leaves its thread."""
    try:
        check_count(raw)
        return body.load(schema, body.parse(raw))
    except ApiError as error:
        return error.with_traceback(None)


def _read() -> bytes:
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
