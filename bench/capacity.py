"""How many cores the front end needs, from what a request and a token cost in a run."""

from dataclasses import dataclass

from bench.samples import Samples

PACES = (10_000, 100_000, 1_000_000)
"""Streamed tokens a second."""
LENGTHS = (128, 1000)
"""Tokens of an answer."""
REQUEST, TOKEN = ("one-token", "wrk"), ("stream-64", "wrk")
TOKENS_OF_THE_LOAD = 128


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU microseconds of one part of the front end."""

    request: float
    token: float

    def cores(self, tokens_per_second: float, length: int) -> float:
        return tokens_per_second * (self.token + self.request / length) / 1e6


def cost(samples: Samples, part: str) -> Cost | None:
    """Of `web` or `model process`. A request's share is what an answer of one token costs; the rest is the tokens'."""
    request = samples.median("hearth", *REQUEST, f"{part}_us_per_request")
    token = samples.median("hearth", *TOKEN, f"{part}_us_per_token")
    if request is None or token is None:
        return None
    return Cost(request, max(0.0, token - request / TOKENS_OF_THE_LOAD))
