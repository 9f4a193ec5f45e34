"""Writes a stream's chunks from the greenlet that receives them from the engine.

A WSGI server writes what the request's own greenlet yields. Waking that greenlet for each token costs two switches, a
timer and four layers of generators: most of the time that a web worker spends on a token. Therefore the receiving
greenlet writes the chunks while the request's greenlet waits. When the client's socket buffer is full, it wakes the
request's greenlet, which writes the remaining bytes and may block.
"""

import math
import time
from typing import Any

from gevent.socket import socket as GeventSocket

from schemas.replies.merging import merged
from schemas.replies.shape import Shape
from schemas.wire import Delta
from webapp.connection.line_ends import line_safe

NO_WAIT = 0.0
"""gevent's timeout for a send that does not block."""


def chunked_connection(environ: dict[str, Any]) -> GeventSocket | None:
    """Return the client's socket, or None where the body is not sent as plain chunks.

    It is not in HTTP/1.0, nor over gunicorn's TLS.
    """
    connection = environ.get("gunicorn.socket")
    return connection if type(connection) is GeventSocket and environ.get("SERVER_PROTOCOL") == "HTTP/1.1" else None


class ChunkWriter:
    """Writes chunks of a body whose headers have been sent. Never `ready` where `connection` is None."""

    def __init__(self, connection: GeventSocket | None, shape: Shape, *, keeps_content: bool = False) -> None:
        """`keeps_content`: whether `shape` keeps the content of its first choice, to be stored."""
        self._connection = connection
        self._shape = shape
        self._keeps_content = keeps_content
        self._unsent = b""
        self._wrote_at = -math.inf

    @property
    def ready(self) -> bool:
        """True where the socket has accepted everything written so far."""
        return self._connection is not None and not self._unsent

    def events(self, deltas: list[Delta]) -> bytes:
        """Return the events of `deltas`: one for all text of a choice."""
        deltas = merged(deltas)
        if self._keeps_content:
            for delta in deltas:
                if delta.index == 0:
                    self._shape.choices[0].add_content(delta)
        return b"".join([self._shape.chunk(delta) for delta in deltas])

    def write(self, deltas: list[Delta]) -> None:
        """Write the events of `deltas` as one chunk, without blocking. If not `ready` afterwards, call `flush`."""
        assert self._connection is not None
        events = line_safe(self.events(deltas))
        if not events:
            return
        self._wrote_at = time.monotonic()
        chunk = b"%x\r\n%b\r\n" % (len(events), events)
        try:
            self._unsent = chunk[self._connection.send(chunk, 0, NO_WAIT) :]
        except OSError:  # its buffer is full, or the client has disconnected: `flush` finds out which
            self._unsent = chunk

    def flush(self) -> None:
        """Write the bytes that the socket has not accepted yet. Blocks; raises `OSError` where the client is gone."""
        if self._connection is not None and self._unsent:
            unsent, self._unsent = self._unsent, b""
            self._connection.sendall(unsent)

    def silence(self) -> float:
        """Return the seconds since the last write; infinite before the first."""
        return time.monotonic() - self._wrote_at
