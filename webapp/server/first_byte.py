"""The first byte of a response, sent ahead of the rest, to find out whether a client is still there.

A client may close its sending half and wait for the answer (HTTP allows it), or close the whole connection: on TCP both
look the same, until something is sent. What is sent to a closed connection comes back as a reset. The first byte of
every response is the same, whatever its status will be, so that the client sees nothing unusual.
"""

import contextlib
from weakref import WeakKeyDictionary

from gevent.socket import socket as GeventSocket

SEND_FIRST_BYTE = "hearth.send_first_byte"
"""Where the application finds `send_first_byte` for its connection, in WSGI's environment.

The application must not import it: a worker has two copies of Hearth's modules, those that the master has imported for
gunicorn and those of the application.
"""
FIRST_BYTE = b"H"
"""Of `HTTP/1.1 200 OK`."""

NO_WAIT = 0.0
"""gevent's timeout for a send that does not block."""

_sent: WeakKeyDictionary[GeventSocket, int] = WeakKeyDictionary()
"""For each connection that waits for the head of a response: how many of its bytes have been sent."""


def expect_response(connection: GeventSocket) -> None:
    """Note that a request has come, and nothing of its response has been sent."""
    _sent[connection] = 0


def send_first_byte(connection: GeventSocket) -> bool:
    """Send the first byte of the response, without blocking. Return False where more of it has been sent already."""
    if connection not in _sent:
        return False
    if _sent[connection] == 0:
        with contextlib.suppress(OSError):  # full of earlier responses that nobody reads, or gone
            _sent[connection] = connection.send(FIRST_BYTE, 0, NO_WAIT)
    return True


def unsent_part(connection: GeventSocket, head: bytes) -> bytes:
    """Return what is left to send of a response that begins with `head`. Must be sent now: no byte goes ahead of it."""
    return head[_sent.pop(connection, 0) :]
