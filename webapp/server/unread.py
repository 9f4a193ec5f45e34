"""Bodies that the application has not read, because it has refused the request before.

gunicorn reads what is left of such a body before it takes the next request of the connection, however long that takes.
A connection with much left is closed instead.
"""

import contextlib
import io
import math
import socket
from typing import Any

import gevent
from gunicorn.http.body import ChunkedReader, LengthReader

from webapp.connection.yielding import let_others_run

MOST_DRAINED = 64 * 1024
"""Unread bytes up to which a connection is kept: they cost less than a new connection."""
LINGER_SECONDS = 2.0
LINGER_BYTES = 64 * 1024 * 1024
"""How long, and up to how many bytes, a client that still sends is listened to before its connection is closed."""
READ_BYTES = 256 * 1024


def unread_bytes(request: Any) -> float:
    """Return how many bytes of the body of gunicorn's `request` have not been read. Infinity: nobody knows."""
    reader = getattr(getattr(request, "body", None), "reader", None)
    if isinstance(reader, LengthReader):
        return float(reader.length)
    if isinstance(reader, ChunkedReader) and reader.parser is not None:
        return math.inf
    return 0.0


def arrived(body: Any, length: int) -> bytes | None:
    """Return all `length` bytes of a request's body, gunicorn's or one in memory; None if reading it might block."""
    if type(body) is io.BytesIO:
        size = body.getbuffer().nbytes
    elif isinstance(reader := getattr(body, "reader", None), LengthReader):
        size = reader.unreader.buf.getbuffer().nbytes
    else:
        return None
    read: bytes = body.read(length) if size >= length else b""
    return read if len(read) == length else None


def linger(connection: socket.socket) -> None:
    """Discard what the client still sends, within limits, so that it can read its response.

    Closing a socket with unread bytes resets the connection, and a client whose sending fails may never look for the
    response.
    """
    with contextlib.suppress(OSError), gevent.Timeout(LINGER_SECONDS, False):
        connection.shutdown(socket.SHUT_WR)
        left = LINGER_BYTES
        while left > 0 and (received := connection.recv(READ_BYTES)):
            left -= len(received)
            let_others_run(in_line=False)  # a fast client must not keep the other requests waiting
