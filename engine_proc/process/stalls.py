"""Tells a vLLM that computes a long step, or loads a large model, from one that hangs, by what its processes do."""

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


LOAD_SAMPLE_SECONDS = 10.0
LOADING_SHARE, LOADING_BYTES = 0.02, 10_000
"""Share of a core, or bytes read and written in a second, above which a load lives. Processes that only wait use a
hundredth of a core, and read and write some hundred bytes.
"""


def work_of_processes() -> tuple[float, int]:
    """Return the CPU seconds and the bytes read and written, so far, of this process and all that it has started."""
    seconds, moved = 0.0, 0
    here = psutil.Process()
    for process in [here, *here.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):  # it has just ended, or may not be looked at
            times = process.cpu_times()
            seconds += times.user + times.system
            counts = process.io_counters()
            moved += counts.read_chars + counts.write_chars + counts.read_bytes  # the last: files that are mapped
    return seconds, moved


class LoadStalls:
    """Measures for how long a load shows no sign of life: no CPU time, nothing read or written, no progress told."""

    def __init__(self, work: Callable[[], tuple[float, int]] = work_of_processes) -> None:
        self._work = work
        self._progress: object = None
        self._sample = time.monotonic(), 0.0, 0
        """When the work was last read, the CPU seconds and the bytes."""
        self._lived_at = self._called_at = time.monotonic()

    def idle(self, progress: object) -> float:
        """Return for how many seconds nothing has been done. To be called about every second, in any one thread.

        `progress` is what the load has told, and changes while it goes on. A suspended host counts as no time.
        """
        now = time.monotonic()
        if now - self._called_at > LOAD_SAMPLE_SECONDS or progress != self._progress:
            self._lived_at = now
        self._called_at, self._progress = now, progress
        then, before, moved_before = self._sample
        if now - then >= LOAD_SAMPLE_SECONDS:
            used, moved = self._work()
            self._sample = now, used, moved
            span = now - then
            # A process that has ended takes its sums with it.
            if abs(used - before) >= LOADING_SHARE * span or abs(moved - moved_before) >= LOADING_BYTES * span:
                self._lived_at = now
        return now - self._lived_at


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
