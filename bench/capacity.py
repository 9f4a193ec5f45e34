"""How many cores the front end needs, computed from the measured cost of a request and a token."""

from dataclasses import dataclass

from bench.samples import Samples

PACES = (5_000, 20_000, 50_000)
"""Streamed tokens per second."""
LENGTHS = (128, 1000)
"""Tokens per answer."""
REQUEST, TOKEN = ("one-token-64", "wrk"), ("stream-256", "wrk")
"""Load and tool that the cost of a request and of a token come from."""
TOKENS_PER_ANSWER = 128
"""Of the load in `TOKEN`."""


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU microseconds of one part of the front end."""

    request: float
    token: float

    def cores(self, tokens_per_second: float, length: int) -> float:
        """Return the cores needed to stream this many tokens per second, in answers of `length` tokens."""
        return tokens_per_second * (self.token + self.request / length) / 1e6


def cost(samples: Samples, part: str) -> Cost | None:
    """Return the cost of a part, `web` or `model`. None: not measured.

    An answer of one token is the cost of a request; what a longer answer costs more is the cost of its tokens.
    """
    request = samples.median("hearth", *REQUEST, f"{part}_us_per_request")
    token = samples.median("hearth", *TOKEN, f"{part}_us_per_token")
    if request is None or token is None:
        return None
    return Cost(request, max(0.0, token - request / TOKENS_PER_ANSWER))
