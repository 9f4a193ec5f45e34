"""How many lines a worker has answered at a time: work that nobody waits for takes no capacity from work that somebody
waits for.
"""

from collections.abc import Callable

from gevent.event import Event
from gevent.lock import BoundedSemaphore

from schemas import wire
from webapp.engine.client import EngineClient

LOOK_SECONDS = 0.25
"""How often a line that waits looks whether it may begin, and whether its batch still goes on."""


class Pace:
    """The lines that a worker has in the engine. Batches take turns: each waits with one line."""

    def __init__(self, engine: EngineClient, most: int) -> None:
        self._engine = engine
        self._most = most
        self._live = 0
        self._turn = BoundedSemaphore(1)
        self._freed = Event()
        self._pong: wire.Pong | None = None
        self._others = 0
        """Requests that the engine had beside this worker's lines, when it last said how many it has."""

    def begin(self, go_on: Callable[[], None]) -> None:
        """Wait until a line may begin; `end` must follow. `go_on` is called meanwhile, and may raise to give up."""
        while not self._turn.acquire(timeout=LOOK_SECONDS):
            go_on()
        try:
            while self._live >= self._allowed():
                self._freed.clear()
                self._freed.wait(LOOK_SECONDS)
                go_on()
            self._live += 1
        finally:
            self._turn.release()

    def end(self) -> None:
        """Note that a line is no longer in the engine."""
        self._live -= 1
        self._freed.set()

    def _allowed(self) -> int:
        """Return how many lines may be in the engine now.

        None while sequences wait in vLLM's queue, whoever's they are. Otherwise `most`, less what is live for others,
        but one at least. Lines of other workers count as others': all workers together have about `most`.
        """
        engine = self._engine
        if engine.welcome is None or not engine.load.ready:
            return 0
        pong = engine.ask(wire.Ping(), wire.Pong)
        if pong is not self._pong and pong is not None:
            self._others = max(0, pong.live - self._live)
        self._pong = pong
        if pong is None or pong.waiting:
            return 0
        return max(1, self._most - self._others)
