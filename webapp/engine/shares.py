"""How many of a reply's queued deltas become events in one turn of a worker's hub: some milliseconds' work."""

from collections.abc import Sequence

from schemas import wire
from schemas.errors import ApiError

Item = wire.Delta | ApiError

MOST_DELTAS, MOST_LOGPROBS = 256, 4000
"""The most deltas of one turn, and how many log probabilities they may have together, alternatives included."""


def share(items: Sequence[Item]) -> tuple[int, int]:
    """Return how many of `items` belong to the next turn, at least one where there is one, and what they cost.

    The cost counts deltas and log probabilities. Called for each token: a delta without any must be passed quickly.
    """
    logprobs = 0
    for number, item in enumerate(items):
        if number == MOST_DELTAS:
            return number, number + logprobs
        if type(item) is wire.Delta and (item.logprobs or item.prompt_logprobs or item.vector):
            more = wire.weight(item)
            if number and logprobs + more > MOST_LOGPROBS:
                return number, number + logprobs
            logprobs += more
    return len(items), len(items) + logprobs
