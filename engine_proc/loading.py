"""How far a load has come: stages are exact, the fraction between them is an estimate from the last load."""

import contextlib
import time
from pathlib import Path

from schemas.wire import Load

FIRST_GUESS = 30.0
"""Seconds that a load is thought to take where none has been seen yet."""
ALMOST = 0.99


class LoadClock:
    """Knows the stage, and the share of the last load's duration that has passed."""

    def __init__(self, memory: Path) -> None:
        """`memory` is the file that keeps the duration, in seconds, from one load to the next."""
        self._memory = memory
        self._began = time.monotonic()
        self._expected = FIRST_GUESS
        with contextlib.suppress(OSError, ValueError):
            self._expected = max(1.0, float(memory.read_text()))
        self._stage = "starting"
        self._ready = False

    def stage(self, stage: str) -> None:
        """May be called from the loading thread."""
        self._stage = stage

    def finish(self) -> float:
        """The model is ready. Returns the seconds it took."""
        took = time.monotonic() - self._began
        self._ready, self._stage = True, "ready"
        with contextlib.suppress(OSError):
            self._memory.write_text(f"{took:.1f}")
        return took

    def load(self) -> Load:
        if self._ready:
            return Load(ready=True, stage="ready", progress=1.0)
        passed = (time.monotonic() - self._began) / self._expected
        return Load(stage=self._stage, progress=round(min(passed, ALMOST), 3))
