"""The drain that precedes a stop: no new requests are accepted, and live ones have until a deadline to finish."""

import asyncio
import time
from collections.abc import Callable

from schemas.wire import Load

POLL_SECONDS = 0.05
"""Seconds between two checks whether the drain is done."""


class Drain:
    """Begins when `begin` is called, and ends at its deadline, or earlier when nothing is live."""

    def __init__(self) -> None:
        self._begun = asyncio.Event()
        self._deadline = float("inf")
        self.load = Load(stage="being stopped")
        """The state that the engine reports during the drain: not ready."""

    @property
    def begun(self) -> bool:
        return self._begun.is_set()

    def begin(self, seconds: float) -> None:
        """Begin, with a deadline in `seconds` seconds. After several calls, the earliest deadline holds."""
        self._deadline = min(self._deadline, time.monotonic() + seconds)
        self._begun.set()

    async def wait(self, done: Callable[[], bool]) -> None:
        """Return when the drain has begun and either `done()` is true or the deadline has passed."""
        await self._begun.wait()
        while not done() and time.monotonic() < self._deadline:
            await asyncio.sleep(POLL_SECONDS)
