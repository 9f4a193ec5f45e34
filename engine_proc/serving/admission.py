"""Admit a request or refuse it: the size of the queue, the limit per API key, and the `Retry-After` of a refusal."""

import math
import time
from collections import deque

from engine_proc.answering.live import LiveTable
from schemas.errors import ApiError, invalid, overloaded
from schemas.wire import Generate

RATE_WINDOW = 30.0
"""Seconds over which the rate of ended sequences is measured."""
LONGEST_WAIT = 60
"""The longest `Retry-After`, in seconds."""


class Rate:
    """How fast sequences have ended in the last `RATE_WINDOW` seconds."""

    def __init__(self) -> None:
        self._ended: deque[tuple[float, int]] = deque()
        self._sequences = 0

    def record(self, sequences: int) -> None:
        """Record that `sequences` sequences have ended now."""
        now = time.monotonic()
        self._ended.append((now, sequences))
        self._sequences += sequences
        self._forget_old(now)

    def seconds_for(self, sequences: int) -> int:
        """Return how many seconds `sequences` sequences will take to end, from 1 to `LONGEST_WAIT`.

        Return `LONGEST_WAIT` if none has ended in the last `RATE_WINDOW` seconds.
        """
        now = time.monotonic()
        self._forget_old(now)
        if not self._ended:
            return LONGEST_WAIT
        observed = max(1.0, now - self._ended[0][0])
        return max(1, min(LONGEST_WAIT, math.ceil(sequences * observed / self._sequences)))

    def _forget_old(self, now: float) -> None:
        while self._ended and self._ended[0][0] < now - RATE_WINDOW:
            self._sequences -= self._ended.popleft()[1]


class Admission:
    """The limits on live requests. They count sequences: each choice or candidate of each prompt is one."""

    def __init__(self, max_queue: int, max_per_key: int = 0) -> None:
        """`max_queue` limits the live sequences of all requests, `max_per_key` those of one API key (0: no limit)."""
        self.max_queue = max_queue
        self.max_per_key = max_per_key
        self.rate = Rate()

    def check(self, generate: Generate, live: LiveTable) -> int:
        """Return the number of sequences of the request.

        Raises `ApiError`: 400 if the request alone exceeds a limit, 429 if it does together with the live ones. A
        resumed request is never refused: its client was stranded, and may have a part of the answer.
        """
        sequences = generate.candidates * len(generate.prompts or (None,))
        if generate.resumed:
            return sequences
        limit = min(self.max_queue, self.max_per_key or self.max_queue)
        if sequences > limit:
            raise invalid(
                f"n, or best_of, times the number of prompts is {sequences}; at most {limit} are allowed.", "n"
            )
        if (excess := live.sequences + sequences - self.max_queue) > 0:
            raise overloaded(
                f"The queue is full: {self.max_queue} answers", "queue_full", self.rate.seconds_for(excess)
            )
        if self.max_per_key and generate.tenant:
            excess = live.sequences_of(generate.tenant) + sequences - self.max_per_key
            if excess > 0:
                raise self._key_limit(excess)
        return sequences

    def _key_limit(self, excess: int) -> ApiError:
        wait = self.rate.seconds_for(excess)
        return overloaded(f"This API key's share is used up: {self.max_per_key} answers", "key_limit", wait)
