"""The time that a step of the simulated GPU takes, as an environment variable sets it."""

import os
from dataclasses import dataclass

STEP_VARIABLE = "HEARTH_SIMULATED_STEP"
DEFAULT_STEP = "8.0,15,6"


@dataclass(frozen=True, slots=True)
class StepTime:
    """The time that a step takes, in seconds."""

    base: float
    per_sequence: float
    per_prompt_token: float

    @classmethod
    def read(cls) -> "StepTime":
        """Read the environment variable. Raises `ValueError` if it is not three numbers."""
        base_ms, sequence_us, token_us = map(float, os.environ.get(STEP_VARIABLE, DEFAULT_STEP).split(","))
        return cls(base_ms / 1e3, sequence_us / 1e6, token_us / 1e6)

    def of(self, sequences: int, prompt_tokens: int) -> float:
        """Return the time of a step with this many sequences and prompt tokens."""
        return self.base + self.per_sequence * sequences + self.per_prompt_token * prompt_tokens
