"""Tells a vLLM that computes a long step from one that hangs, by the CPU time of its processes."""

import contextlib
import math
import time
from collections.abc import Callable

import psutil

COMPUTING_SHARE = 0.1
"""Share of one core above which vLLM's processes compute. While they wait for each other they use about a hundredth."""
LONGEST_STEP = 10
"""A step may compute for as many times the limit: also a loop without an end uses the CPU."""


def cpu_seconds_of_children() -> float:
    """Return the CPU time that all processes which this process has started have used so far."""
    used = 0.0
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it has just ended
            times = child.cpu_times()
            used += times.user + times.system
    return used


class Stalls:
    """Measures for how long vLLM has neither finished a step nor computed. CPU time shows nothing of a GPU's work."""

    def __init__(self, limit: float, used: Callable[[], float] = cpu_seconds_of_children) -> None:
        """`limit` in seconds is what a hang may last. `used` returns the CPU time of vLLM's processes."""
        self._limit = limit
        self._used = used
        self._sample: tuple[float, float] | None = None
        """When the CPU time was last read, and what it was."""
        self._computed_at = -math.inf

    def hang(self, step_seconds: float, *, on_cpu: bool) -> float:
        """Return for how many seconds vLLM hangs. To be called about every second.

        `step_seconds` is the time since the last step ended, 0 while there is no work. It is returned unchanged up to
        half of the limit, until when no process is looked at, and from `LONGEST_STEP` times the limit on.
        """
        if not on_cpu or step_seconds < self._limit / 2:
            self._sample = None
            return step_seconds
        now, used = time.monotonic(), self._used()
        if self._sample is not None:
            then, before = self._sample
            if used - before >= COMPUTING_SHARE * (now - then):
                self._computed_at = now
        self._sample = now, used
        if step_seconds > LONGEST_STEP * self._limit:
            return step_seconds
        return min(step_seconds, now - self._computed_at)
