"""gevent's server, which accepts no connection where the process can soon open no more files.

Requests that are being answered open files too: a database, a module that is imported late. And gevent's own server
logs a traceback for each connection that it cannot accept, many a second.
"""

import logging
import os
import resource
import time
from typing import Any

from gevent.server import StreamServer

log = logging.getLogger("hearth.worker")

RESERVE = 32
"""Files that connections leave to the rest of the process; at most a quarter of all."""
PAUSE_SECONDS = 0.5
"""How long new connections wait in the kernel's queue before another attempt."""
LOG_SECONDS = 10.0
"""The shortest time between two lines of the log."""


class ListenerName:
    """The name of a listening socket, for connections that find the socket closed.

    gunicorn asks the socket for its name when a connection's greenlet begins. A worker that is told to end in the turn
    of its hub in which it accepts a connection has closed the socket by then, and the connection would be reset.
    """

    def __init__(self, listening: Any) -> None:
        self._name = listening.getsockname()

    def getsockname(self) -> Any:
        """Return the address as the socket's own `getsockname` did."""
        return self._name


class Listener(StreamServer):  # type: ignore[misc]
    """The server class of `HearthWorker`: gunicorn has no setting for it."""

    _logged_at = -LOG_SECONDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self.highest = limit - min(RESERVE, limit // 4)
        """Connections are accepted while the next file's number is lower."""

    def do_read(self) -> Any:
        if self._has_room():
            return super().do_read()
        if time.monotonic() - Listener._logged_at >= LOG_SECONDS:
            Listener._logged_at = time.monotonic()
            log.error("connections wait: this worker has too many open files. Raise `ulimit -n`.")
        self.stop_accepting()
        self._timer = self.loop.timer(PAUSE_SECONDS)
        self._timer.start(self._start_accepting_if_started)
        return None

    def _has_room(self) -> bool:
        try:
            number = os.dup(self.socket.fileno())  # the lowest number that is free
        except OSError:
            return False
        os.close(number)
        return number < self.highest
