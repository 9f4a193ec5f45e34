"""Who is next for a few threads: of those who wait, the API key that has the fewest of them."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class FairTurns:
    """Lets a few pieces of slow work run at a time. A key that has sent many does not hold up another's first for
    longer than one piece takes.
    """

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._running: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        """By key, the one that has waited longest first."""

    @asynccontextmanager
    async def turn(self, key: str) -> AsyncIterator[None]:
        """Wait for a turn of `key`, and have it during the block."""
        if self._free:
            self._free -= 1
            self._running[key] += 1
        else:
            await self._wait(key)
        try:
            yield
        finally:
            self._end(key)

    async def _wait(self, key: str) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._end(key)  # it was given in the same turn of the loop
            raise

    def _end(self, ended: str) -> None:
        """Give a turn that has ended to the next that waits, or to nobody."""
        self._running[ended] -= 1
        if not self._running[ended]:
            del self._running[ended]
        while self._waiting:
            key = min(self._waiting, key=lambda waiting: self._running[waiting])
            turns = self._waiting.pop(key)
            turn = turns.popleft()
            if turns:
                self._waiting[key] = turns  # after those that wait already
            if not turn.done():  # else whoever waited has given up
                self._running[key] += 1
                turn.set_result(None)
                return
        self._free += 1
