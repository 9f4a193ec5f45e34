"""Detects clients that disconnect while nothing is being written to them."""

import logging
import select as _select
import socket
from collections.abc import Callable

import gevent
from gevent.monkey import get_original

from webapp.server.vital import spawn_vital

log = logging.getLogger("hearth.web")

CHECK_INTERVAL = 0.25
"""Seconds between two checks of all waiting clients."""

STUCK_MS = 120_000
"""Milliseconds that sent bytes may stay unacknowledged by the client."""

select = get_original("select", "poll")
_POLLRDHUP = 0x2000  # the peer sends nothing more; unlike POLLIN, pipelined bytes do not hide it
_GONE = _select.POLLHUP | _select.POLLERR | _select.POLLNVAL  # always reported, without being asked for


def cut_off_when_stuck(connection: socket.socket) -> None:
    """Make the kernel close a TCP connection whose client reads nothing for `STUCK_MS`: a write blocks no longer."""
    if connection.family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STUCK_MS)


class HangupWatch:
    """Watches the client sockets of all requests of a worker, with one poll set and one greenlet."""

    def __init__(self) -> None:
        self._poll = select()
        self._callbacks: dict[int, tuple[Callable[[], None], Callable[[], None]]] = {}
        self._running = False

    def add(self, fd: int, on_hangup: Callable[[], None], on_half_close: Callable[[], None]) -> None:
        """Call `on_hangup` once if the peer of socket `fd` closes its connection before `remove(fd)`.

        `on_half_close` is called once if the peer sends nothing more. It may still read, or be gone: on TCP the kernel
        learns this only from the peer's reaction to something sent, which `on_half_close` must therefore send.
        """
        self._callbacks[fd] = on_hangup, on_half_close
        self._poll.register(fd, _POLLRDHUP)
        if not self._running:
            self._running = True
            spawn_vital(self._watch)

    def remove(self, fd: int) -> None:
        """Stop watching socket `fd`. Does nothing where it is not watched."""
        if self._callbacks.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def _watch(self) -> None:
        while self._callbacks:
            gevent.sleep(CHECK_INTERVAL)
            for fd, events in self._poll.poll(0):
                if fd not in self._callbacks:  # removed by the callback of another
                    continue
                on_hangup, on_half_close = self._callbacks[fd]
                if events & _GONE:
                    self.remove(fd)
                    on_hangup()
                else:
                    self._poll.modify(fd, 0)
                    on_half_close()
        self._running = False
