"""Who is let in: the bound of the queue, the share of each API key, and when those turned away may come again."""

import math
import time
from collections import deque

from engine_proc.answering.live import LiveTable
from schemas.errors import ApiError, invalid, overloaded
from schemas.wire import Generate

RATE_WINDOW = 30.0
"""Seconds over which the rate of ended sequences is observed."""
LONGEST_WAIT = 60
"""Seconds; nobody is told to wait longer than this."""


class Rate:
    """How fast sequences have been ending of late."""

    def __init__(self) -> None:
        self._ended: deque[tuple[float, int]] = deque()
        self._sequences = 0

    def record(self, sequences: int) -> None:
        """So many sequences have ended now."""
        now = time.monotonic()
        self._ended.append((now, sequences))
        self._sequences += sequences
        self._forget(now)

    def seconds_for(self, sequences: int) -> int:
        """How long so many will take to end, at least a second. Where none has ended of late: `LONGEST_WAIT`."""
        now = time.monotonic()
        self._forget(now)
        if not self._ended:
            return LONGEST_WAIT
        observed = max(1.0, now - self._ended[0][0])
        return max(1, min(LONGEST_WAIT, math.ceil(sequences * observed / self._sequences)))

    def _forget(self, now: float) -> None:
        while self._ended and self._ended[0][0] < now - RATE_WINDOW:
            self._sequences -= self._ended.popleft()[1]


class Admission:
    """The limits, in sequences: each choice or candidate of each prompt counts."""

    def __init__(self, max_queue: int, max_per_key: int = 0) -> None:
        """`max_per_key`: of one API key, running or waiting; 0 sets no limit."""
        self.max_queue = max_queue
        self.max_per_key = max_per_key
        self.rate = Rate()

    def check(self, generate: Generate, live: LiveTable) -> int:
        """Returns how many sequences the request is. Raises `ApiError`: 400 or 429."""
        sequences = generate.candidates * len(generate.prompts or (None,))
        if generate.resumed:
            return sequences
        limit = min(self.max_queue, self.max_per_key or self.max_queue)
        if sequences > limit:
            raise invalid(f"n, or best_of, times the number of prompts is {sequences}; at most {limit} are taken.", "n")
        if (excess := live.sequences + sequences - self.max_queue) > 0:
            raise overloaded(
                f"The queue is full: {self.max_queue} answers", "queue_full", self.rate.seconds_for(excess)
            )
        if self.max_per_key and generate.tenant:
            excess = live.sequences_of(generate.tenant) + sequences - self.max_per_key
            if excess > 0:
                raise self._share_is_used_up(excess)
        return sequences

    def _share_is_used_up(self, excess: int) -> ApiError:
        wait = self.rate.seconds_for(excess)
        return overloaded(f"This API key's share is used up: {self.max_per_key} answers", "key_limit", wait)
