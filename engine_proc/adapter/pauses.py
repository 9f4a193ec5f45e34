"""Gives the loop its turn while much is converted."""

import asyncio

MOST_LOGPROBS = 1000
"""Log probabilities, those of alternatives included, that are converted in one turn of the loop: each takes some 10 us,
because vLLM decodes each token alone.
"""


class Pauses:
    """Counts log probabilities, and pauses when there have been many.

    A step has those of all live sequences, and the steps that have queued up are handled without a turn of the loop in
    between.
    """

    def __init__(self) -> None:
        self._since = 0

    async def after(self, logprobs: int) -> None:
        """Count `logprobs`, which are about to be converted. Let the loop do other work if many have been before."""
        self._since += logprobs
        if self._since > MOST_LOGPROBS:
            self._since = 0
            await asyncio.sleep(0)
