"""Divides the requests that have arrived among the turns of a worker's hub."""

import time
from collections import deque
from typing import Any

from gevent import get_hub
from gevent.event import Event

from webapp.connection.yielding import SHORTEST

AT_ONCE = 8
"""Requests that begin in one turn: some milliseconds of CPU. The other greenlets, and new connections, are next."""
LONGEST = 0.010
"""Seconds of CPU after which no other request begins in the turn: a file of the pages takes longer than a question."""


class Gate:
    """Lets at most `AT_ONCE` requests begin in a turn of the hub, in the order in which they have come.

    gevent runs all greenlets whose sockets are readable in one turn, and one greenlet answers all requests that a
    client has sent ahead on its connection (pipelining) without leaving the turn: a client would choose how long it is.
    """

    def __init__(self) -> None:
        self._begun = 0
        """Requests that have begun in this turn."""
        self._since = 0.0
        """The thread's CPU time when the first of them began, in seconds."""
        self._waiting: deque[Event] = deque()
        """One for each request that has not begun. The first is set when there may be room."""
        self._next_turn: Any = None
        """The timer that ends in the next turn."""

    def wait(self) -> None:
        """Return in a turn in which a request may begin."""
        if self._waiting or not self._has_room():
            self._stand_in_line()
        if not self._begun:
            self._begin_turn()
        self._begun += 1

    def _has_room(self) -> bool:
        if not self._begun:
            return True
        return self._begun < AT_ONCE and time.thread_time() - self._since < LONGEST

    def _stand_in_line(self) -> None:
        """Return when this request is the first that waits, and there is room. The next one may then look."""
        mine = Event()
        self._waiting.append(mine)
        try:
            mine.wait()
            while not self._has_room():
                mine.clear()
                mine.wait()
        finally:  # also where the greenlet is killed
            self._waiting.remove(mine)
            self._let_first_look()

    def _let_first_look(self) -> None:
        if self._waiting:
            self._waiting[0].set()

    def _begin_turn(self) -> None:
        self._since = time.thread_time()
        if self._next_turn is None:
            self._next_turn = get_hub().loop.timer(SHORTEST)
        self._next_turn.start(self._end_turn)

    def _end_turn(self) -> None:
        self._next_turn.stop()
        self._begun = 0
        self._let_first_look()
