"""The model process's asyncio loop, and the probe of its turns that the tests use."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from schemas.shared import turns


class _TimedSelector(selectors.DefaultSelector):
    """A selector for a loop that is measured: a loop calls `select` once a turn."""

    def __init__(self, begin_turn: Callable[[], None]) -> None:
        super().__init__()
        self._begin_turn = begin_turn

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._begin_turn()
        return super().select(timeout)


def run(main: Coroutine[Any, Any, int], run_dir: Path) -> int:
    """Run `main` on a new loop, as `asyncio.run` does, and return its result."""
    probe = turns.from_environment(run_dir, "engine")
    if probe is None:
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(_TimedSelector(probe.begin))) as runner:
        return runner.run(main)
