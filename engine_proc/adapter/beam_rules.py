"""What a request wants of a beam search, in vLLM's terms."""

from collections.abc import Callable
from dataclasses import dataclass

from vllm.sampling_params import SamplingParams


@dataclass(slots=True)
class BeamRules:
    """What is wanted of a search."""

    width: int
    max_tokens: int
    length_penalty: float
    end_ids: frozenset[int]
    """Tokens that end a beam."""
    has_stop_strings: bool
    vocab_size: int
    alternatives: int | None
    """Log probabilities that the reply tells beside each token's own; None: not even that."""
    first: SamplingParams
    """For the first step, which scores the prompt too where that is wanted."""
    step: SamplingParams
    """For one step of one beam: one token, with enough log probabilities to choose from."""
    bias: dict[int, float]
    allowed: list[int]
    """Empty: all tokens."""
    repetition_penalty: float
    presence_penalty: float
    frequency_penalty: float
    has_looped: Callable[[list[int]], bool] = lambda token_ids: False
    """Says of a beam's tokens whether it has fallen into a loop that is to end it."""

    @property
    def adjusts(self) -> bool:
        """The log probabilities are not the engine's own."""
        neutral = (self.repetition_penalty, self.presence_penalty, self.frequency_penalty) == (1.0, 0.0, 0.0)
        return bool(self.bias or self.allowed or not neutral)

    @property
    def kept(self) -> int:
        """Candidates of a step: enough that `width` of them go on even if all others have ended."""
        return max(2, 1 + len(self.end_ids)) * self.width

    @property
    def per_beam(self) -> int:
        """Candidates that one beam can give."""
        return min(self.vocab_size, self.kept)
