"""How far a load has come: an estimate from the last load, but for the stages that can say it themselves."""

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
        self._share: float | None = None
        self._shared_at = 0.0
        self._ready = False

    def stage(self, stage: str, share: float | None = None) -> None:
        """`share`, from 0 to 1, is how far the stage is, where that is known: the time since is no part of what the
        next load is thought to take.

        May be called from the loading thread.
        """
        now = time.monotonic()
        if self._share is not None:
            self._began += now - self._shared_at
        self._stage, self._share, self._shared_at = stage, share, now

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
        share = self._share
        if share is None:
            share = (time.monotonic() - self._began) / self._expected
        return Load(stage=self._stage, progress=round(min(share, ALMOST), 3))
