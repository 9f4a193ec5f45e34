"""The shortest way from the engine to a client: a stream's chunks, written by the greenlet that receives them.

A WSGI server writes what the request's own greenlet yields. To wake that one for each token costs a switch there and
back, a timer, and four layers of generators, which is most of what a token costs a web worker. So while it waits for
more, the receiving greenlet writes for it; as soon as the client's socket takes no more, it is woken and writes itself.
"""

import math
import time
from typing import Any

from gevent.socket import socket as GeventSocket

from schemas.replies.shape import Shape
from schemas.wire import Delta

AT_ONCE = 0.0
"""gevent's word for a send that does not wait."""


def chunked_connection(environ: dict[str, Any]) -> GeventSocket | None:
    """The client's socket, where the body is sent as plain chunks: not in HTTP/1.0, nor over gunicorn's TLS."""
    connection = environ.get("gunicorn.socket")
    return connection if type(connection) is GeventSocket and environ.get("SERVER_PROTOCOL") == "HTTP/1.1" else None


class ChunkWriter:
    """Writes chunks of a body whose headers have left. Without a connection it is never ready."""

    def __init__(self, connection: GeventSocket | None, shape: Shape) -> None:
        self._connection = connection
        self._shape = shape
        self._rest = b""
        self._wrote_at = -math.inf

    @property
    def ready(self) -> bool:
        """All that it was given has left."""
        return self._connection is not None and not self._rest

    def write(self, deltas: list[Delta]) -> None:
        """In one piece, without waiting; where it is not `ready` afterwards, `flush` writes the rest."""
        assert self._connection is not None
        events = b"".join([self._shape.chunk(delta) for delta in deltas])
        if not events:
            return
        self._wrote_at = time.monotonic()
        chunk = b"%x\r\n%b\r\n" % (len(events), events)
        try:
            self._rest = chunk[self._connection.send(chunk, 0, AT_ONCE) :]
        except OSError:  # it takes nothing now, or is gone: `flush` finds out which
            self._rest = chunk

    def flush(self) -> None:
        """Write what is left over, and wait for it. Raises `OSError` where the client has gone."""
        if self._connection is not None and self._rest:
            rest, self._rest = self._rest, b""
            self._connection.sendall(rest)

    def silence(self) -> float:
        """Seconds since it has last written."""
        return time.monotonic() - self._wrote_at
