"""Aborts sequences a few at a time: those of a web worker that is gone may be thousands."""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine_proc.adapter.engine import Engine

log = logging.getLogger("hearth.aborts")

AT_ONCE = 64
"""Sequences that are aborted in one turn of the loop, by one message to EngineCore."""


class Aborts:
    """The sequences that are yet to be aborted, in one task."""

    def __init__(self) -> None:
        self._keys: deque[str] = deque()
        self._task: asyncio.Task[None] | None = None

    def add(self, engine: "Engine", keys: Iterable[str]) -> None:
        """Abort the sequences with these keys soon."""
        self._keys.extend(keys)
        if self._keys and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._run(engine))

    async def _run(self, engine: "Engine") -> None:
        while self._keys:
            keys = [self._keys.popleft() for _ in range(min(AT_ONCE, len(self._keys)))]
            try:
                await engine.abort(keys)
            except Exception:
                log.exception("%d sequences could not be aborted", len(keys))
            await asyncio.sleep(0)
