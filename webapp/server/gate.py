"""Divides the requests that have arrived among the turns of a worker's hub."""

from collections import deque
from typing import Any

from gevent import get_hub
from gevent.event import Event

from webapp.connection.yielding import SHORTEST

AT_ONCE = 8
"""Requests that begin in one turn: some milliseconds of CPU. The other greenlets, and new connections, are next."""


class Gate:
    """Lets at most `AT_ONCE` requests begin in a turn of the hub, in the order in which they have come.

    gevent runs all greenlets whose sockets are readable in one turn, and one greenlet answers all requests that a
    client has sent ahead on its connection (pipelining) without leaving the turn: a client would choose how long it is.
    """

    def __init__(self) -> None:
        self._begun = 0
        """Requests that have begun in this turn."""
        self._waiting: deque[Event] = deque()
        self._next_turn: Any = None
        """The timer that ends in the next turn."""

    def wait(self) -> None:
        """Return in a turn in which a request may begin."""
        if self._begun < AT_ONCE:
            self._count()
            return
        begins = Event()
        self._waiting.append(begins)
        begins.wait()

    def _count(self) -> None:
        if not self._begun:
            if self._next_turn is None:
                self._next_turn = get_hub().loop.timer(SHORTEST)
            self._next_turn.start(self._on_turn)
        self._begun += 1

    def _on_turn(self) -> None:
        self._next_turn.stop()
        self._begun = 0
        while self._waiting and self._begun < AT_ONCE:
            self._count()
            self._waiting.popleft().set()
