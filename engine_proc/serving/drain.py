"""The engine's last phase: no new work, and a limit for what is live."""

import asyncio
import time
from collections.abc import Callable

from schemas.wire import Load

LOOK_EVERY = 0.05
"""Seconds between two looks at whether all is done."""


class Drain:
    """Not begun until somebody asks for it; then it ends at its deadline, or when all is done."""

    def __init__(self) -> None:
        self._begun = asyncio.Event()
        self._deadline = float("inf")
        self.load = Load(stage="being stopped")
        """What the engine says of itself from then on: it is not ready."""

    @property
    def begun(self) -> bool:
        return self._begun.is_set()

    def begin(self, seconds: float) -> None:
        """Asked again, the nearest deadline holds."""
        self._deadline = min(self._deadline, time.monotonic() + seconds)
        self._begun.set()

    async def wait(self, done: Callable[[], bool]) -> None:
        """Returns when it is begun and `done` or out of time."""
        await self._begun.wait()
        while not done() and time.monotonic() < self._deadline:
            await asyncio.sleep(LOOK_EVERY)
