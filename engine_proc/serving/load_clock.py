"""The progress of loading the model, as its stage reports it, or estimated from the duration of the last load."""

import contextlib
import time
from pathlib import Path

from schemas.wire import Load

DEFAULT_SECONDS = 30.0
"""The expected duration of the first load, in seconds."""
MAX_ESTIMATE = 0.99
"""The highest progress reported before the model is ready."""


class LoadClock:
    """Tracks the stage of a load and its progress."""

    def __init__(self, memory: Path) -> None:
        """`memory` is a file that stores the duration of the last load, in seconds."""
        self._memory = memory
        self._began = time.monotonic()
        self._expected = DEFAULT_SECONDS
        with contextlib.suppress(OSError, ValueError):
            self._expected = max(1.0, float(memory.read_text()))
        self._stage = "starting"
        self._share: float | None = None
        self._share_set_at = 0.0
        self._ready = False

    def stage(self, stage: str, share: float | None = None) -> None:
        """Set the stage, and the share of it that is done, from 0 to 1. None: the share is unknown.

        The time of a stage with a known share, a download for example, is not counted in the load's duration: it says
        nothing about the next load. May be called from the loading thread.
        """
        now = time.monotonic()
        if self._share is not None:
            self._began += now - self._share_set_at
        self._stage, self._share, self._share_set_at = stage, share, now

    @property
    def told(self) -> tuple[str, float | None]:
        """The stage and the share of it that is done, as `stage` was told them."""
        return self._stage, self._share

    def finish(self) -> float:
        """Record that the model is ready. Return the duration of the load in seconds."""
        took = time.monotonic() - self._began
        self._ready, self._stage = True, "ready"
        with contextlib.suppress(OSError):
            self._memory.write_text(f"{took:.1f}")
        return took

    def load(self) -> Load:
        """Return the state of the load, as the web tier receives it."""
        if self._ready:
            return Load(ready=True, stage="ready", progress=1.0)
        share = self._share
        if share is None:
            share = (time.monotonic() - self._began) / self._expected
        return Load(stage=self._stage, progress=round(min(share, MAX_ESTIMATE), 3))
