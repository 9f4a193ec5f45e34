"""Delete what is old now and then, beside what requests do."""

import time
from collections.abc import Callable

import gevent

SWEEP_EVERY = 300.0
"""Least seconds between two sweeps of one worker."""


class Sweeping:
    """The sweeps of one store."""

    def __init__(self, sweep: Callable[[], None]) -> None:
        """`sweep` deletes what is old. It must raise nothing."""
        self._sweep = sweep
        self._next = 0.0

    def begin_if_due(self) -> None:
        """Begin a sweep in a greenlet of its own, unless there has been one lately."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + SWEEP_EVERY
            gevent.spawn(self._sweep)
