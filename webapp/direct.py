"""The shortest way from the engine to a client: a stream's chunks, written by the greenlet that receives them.

A WSGI server writes what the request's own greenlet yields. To wake that one for each token costs a switch there and
back, a timer, and four layers of generators, which is most of what a token costs a web worker. So while it waits for
more, the receiving greenlet writes for it; as soon as the client's socket takes no more, it is woken and writes itself.
"""

import math
import time
from collections.abc import Callable
from typing import Any

from gevent.socket import socket as GeventSocket

from schemas.replies import Shape
from schemas.wire import Delta

AT_ONCE = 0.0
"""gevent's word for a send that does not wait."""


class DirectWriter:
    """Writes chunks of an HTTP/1.1 body whose headers have left."""

    def __init__(self, connection: GeventSocket, shape: Shape, wake: Callable[[], None]) -> None:
        """`wake`: the request's greenlet is to `flush`."""
        self._connection = connection
        self._shape = shape
        self._wake = wake
        self._rest = b""
        self._wrote_at = -math.inf

    def take(self, deltas: list[Delta]) -> bool:
        """Write these in one piece, without waiting. False: not now, they are for the request's own greenlet."""
        if self._rest:
            return False
        events = b"".join([self._shape.chunk(delta) for delta in deltas])
        if events:
            self._wrote_at = time.monotonic()
            chunk = b"%x\r\n%b\r\n" % (len(events), events)
            try:
                sent = self._connection.send(chunk, 0, AT_ONCE)
            except OSError:  # it takes nothing now, or is gone: `flush` finds out which
                sent = 0
            if sent < len(chunk):
                self._rest = chunk[sent:]
                self._wake()
        return True

    def flush(self) -> None:
        """Write what is left over, and wait for it. Raises `OSError` where the client has gone."""
        if self._rest:
            rest, self._rest = self._rest, b""
            self._connection.sendall(rest)

    def silence(self) -> float:
        """Seconds since it has last written."""
        return time.monotonic() - self._wrote_at


def direct_writer(environ: dict[str, Any], shape: Shape, wake: Callable[[], None]) -> DirectWriter | None:
    """None where the body is not sent as plain HTTP/1.1 chunks: HTTP/1.0, TLS in gunicorn, another server."""
    connection = environ.get("gunicorn.socket")
    if type(connection) is not GeventSocket or environ.get("SERVER_PROTOCOL") != "HTTP/1.1":
        return None
    return DirectWriter(connection, shape, wake)
