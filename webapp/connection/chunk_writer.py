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

from schemas.replies.blocks import grouped
from schemas.replies.merging import merged
from schemas.replies.shape import Shape
from schemas.wire import Delta
from webapp.connection.line_ends import line_safe
from webapp.connection.yielding import MOST_BYTES, let_others_run

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
        self._unsent: list[bytes] = []
        """What the socket has not accepted yet, in pieces."""
        self._wrote_at = -math.inf

    @property
    def ready(self) -> bool:
        """True where the socket has accepted everything written so far."""
        return self._connection is not None and not self._unsent

    def events(self, deltas: list[Delta]) -> list[bytes]:
        """Return the events of `deltas` in pieces: one event for all text of a choice."""
        deltas = merged(deltas)
        if self._keeps_content:
            for delta in deltas:
                if delta.index == 0:
                    self._shape.choices[0].add_content(delta)
        if len(deltas) == 1:
            return self._shape.chunk_pieces(deltas[0])
        return [piece for delta in deltas for piece in self._shape.chunk_pieces(delta)]

    def write(self, deltas: list[Delta]) -> None:
        """Write the events of `deltas`, without blocking: the first chunk, of `MOST_BYTES` or all of them.

        If not `ready` afterwards, call `flush`, which writes the rest.
        """
        assert self._connection is not None
        chunks = [_chunk(events) for events in grouped(self.events(deltas), MOST_BYTES)]
        if not chunks or not chunks[0]:
            return
        self._wrote_at = time.monotonic()
        try:
            sent = self._connection.send(chunks[0], 0, NO_WAIT)
        except OSError:  # its buffer is full, or the client has disconnected: `flush` finds out which
            sent = 0
        chunks[0] = chunks[0][sent:]
        self._unsent = chunks if chunks[0] else chunks[1:]

    def flush(self) -> None:
        """Write the bytes that the socket has not accepted yet. Blocks; raises `OSError` where the client is gone."""
        if self._connection is not None and self._unsent:
            unsent, self._unsent = self._unsent, []
            for number, chunk in enumerate(unsent):
                if number:
                    let_others_run()
                self._connection.sendall(chunk)

    def silence(self) -> float:
        """Return the seconds since the last write; infinite before the first."""
        return time.monotonic() - self._wrote_at


def _chunk(events: bytes) -> bytes:
    events = line_safe(events)
    return b"%x\r\n%b\r\n" % (len(events), events) if events else b""
