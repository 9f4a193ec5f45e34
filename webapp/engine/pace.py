"""How often a stream sends what it has: vLLM's `stream_interval`, counted in tokens of a choice."""

from schemas.wire import Delta

MAX_HELD = 1024
"""The most deltas that are held back, of all choices together: fewer than a `Reply` has room for."""


class Pace:
    """Decides when queued text is sent: at a choice's first token, and whenever it has gained `interval` tokens."""

    def __init__(self, interval: int) -> None:
        self._interval = interval
        self._tokens: dict[int, int] = {}
        """Tokens queued of each choice that has begun."""
        self._deltas = 0
        self.due = False
        """Whether the queued deltas are to be sent now."""

    def add(self, delta: Delta) -> None:
        """Count `delta`, which has been queued."""
        tokens = self._tokens.get(delta.index, self._interval) + len(delta.token_ids)
        self._tokens[delta.index] = tokens
        self._deltas += 1
        if tokens >= self._interval or self._deltas >= MAX_HELD:
            self.due = True

    def sent(self) -> None:
        """Begin to count again: nothing is queued."""
        self._tokens = dict.fromkeys(self._tokens, 0)
        self._deltas = 0
        self.due = False
