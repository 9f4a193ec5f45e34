"""Read the request body, within limits of size and time, and load it through a schema."""

from collections.abc import Callable
from typing import Any

import gevent
from flask import request
from gunicorn.http.errors import ParseException

from schemas.errors import ApiError, invalid
from schemas.requests.parts.json_types import Body
from schemas.requests.reading import body
from schemas.requests.reading.counting import check_count
from webapp.answering.content_coding import as_utf8, codings_of, unpacked
from webapp.connection.yielding import let_others_run
from webapp.services import services

READ_BYTES = 256 * 1024
"""Bytes of a body that are read in one turn of the hub: about a millisecond."""
LARGE = 64 * 1024
"""Bytes of a body that is loaded in a thread, so that other requests have their turn meanwhile."""
MANY = 512
"""Objects and arrays of a body that is loaded in a thread: each may be a message or a call, which take 20 us."""
SMALL = 4 * 1024
"""Bytes of a body that is loaded on the hub whatever is wrong with it.

A larger one is refused in the thread: marshmallow takes 100 us for each message, and mending takes 1 us for each value.
"""


def fits_a_turn(raw: bytes) -> bool:
    """Return whether the body, if it is valid, may be loaded on the hub."""
    return len(raw) <= LARGE and raw.count(b"{") + raw.count(b"[") <= MANY


def load(schema: Body, check: Callable[[Any], None] = lambda loaded: None) -> Any:
    """Read the body and return what `schema` makes of it, once `check` has been called with that.

    Raises `ApiError` (400, 408, 413, 415), Werkzeug's 413, and what `check` raises, which is to be an `ApiError`.
    """
    codings = codings_of(request.headers.get("Content-Encoding", ""))
    raw = _read()
    if codings:
        raw = in_thread(unpacked, raw, codings, services().settings.max_body_bytes)
    if len(raw) <= SMALL:
        return _checked(body.load(schema, body.parse(as_utf8(raw))), check)
    if fits_a_turn(raw) and (accepted := body.accept(schema, as_utf8(raw))) is not None:
        return _checked(accepted, check)
    try:
        return in_thread(_load_large, schema, raw, check)
    finally:
        del raw  # an error's traceback refers to this frame


def _checked(loaded: Any, check: Callable[[Any], None]) -> Any:
    check(loaded)
    return loaded


def _load_large(schema: Body, raw: bytes, check: Callable[[Any], None]) -> Any:
    text = as_utf8(raw)
    check_count(text)
    return _checked(body.load(schema, body.parse(text)), check)


def in_thread(work: Callable[..., Any], *args: Any) -> Any:
    """Return what `work` returns in the loader's thread, or raise its `ApiError`. `work` raises no other exception."""
    result = services().loader.apply(_try, (work, *args))
    if isinstance(result, ApiError):
        try:
            raise result
        finally:
            del result, args  # the error's traceback refers to this frame
    return result


def _try(work: Callable[..., Any], *args: Any) -> Any:
    """Return an `ApiError` instead of raising it: gevent logs a traceback for each exception that leaves its thread."""
    try:
        return work(*args)
    except ApiError as error:
        return error.with_traceback(None)


def _read() -> bytes:
    settings = services().settings
    late = ApiError(408, f"The body did not arrive within {settings.body_seconds:g} seconds.", code="request_timeout")
    try:
        with gevent.Timeout(settings.body_seconds, late):
            parts = _read_all()
    except ParseException as error:  # gunicorn parses a body's chunks when they are read
        raise invalid(f"The body's transfer encoding is malformed: {error}.") from None
    size = sum(map(len, parts))
    if request.content_length is not None and size != request.content_length:
        raise invalid(f"The body ended after {size} of the {request.content_length} bytes of its Content-Length.")
    if len(parts) <= 1:
        return parts[0] if parts else b""
    joined: bytes = in_thread(b"".join, parts)  # which lets the hub run meanwhile, and may take 50 ms
    return joined


def _read_all() -> list[bytes]:
    """Return the body in parts.

    Other requests have their turn meanwhile, even where all of its bytes have already arrived.
    """
    stream: Any = request.stream
    parts: list[bytes] = []
    while part := stream.read(READ_BYTES):
        parts.append(part)
        if getattr(stream, "is_exhausted", False):  # at the limit of a body, another `read` would raise the 413
            break
        let_others_run()
    return parts
