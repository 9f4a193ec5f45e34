"""A request's beam search settings, in vLLM's terms."""

from collections.abc import Callable
from dataclasses import dataclass

from vllm.sampling_params import SamplingParams


@dataclass(slots=True)
class BeamRules:
    """The settings of one beam search."""

    width: int
    max_tokens: int
    length_penalty: float
    end_ids: frozenset[int]
    """Tokens that end a beam."""
    has_stop_strings: bool
    vocab_size: int
    alternatives: int | None
    """How many `top_logprobs` the reply has per token, beside the token's own log probability. None: it has neither."""
    first: SamplingParams
    """Parameters of the first step. They score the prompt too, if the request asks for its log probabilities."""
    step: SamplingParams
    """Parameters of one later step of one beam: one token, with enough log probabilities to choose from."""
    bias: dict[int, float]
    """`logit_bias` by token id."""
    allowed: list[int]
    """Ids of the tokens that may be generated. Empty: all of them."""
    repetition_penalty: float
    presence_penalty: float
    frequency_penalty: float
    has_looped: Callable[[list[int]], bool] = lambda token_ids: False
    """Returns whether a beam of these token ids repeats itself, which ends the beam."""

    @property
    def adjusts(self) -> bool:
        """Whether a bias, an allowed-token list or a penalty changes the engine's log probabilities."""
        neutral = (self.repetition_penalty, self.presence_penalty, self.frequency_penalty) == (1.0, 0.0, 0.0)
        return bool(self.bias or self.allowed or not neutral)

    @property
    def kept(self) -> int:
        """How many candidates a step keeps: enough that `width` of them can still grow when all others have ended."""
        return max(2, 1 + len(self.end_ids)) * self.width

    @property
    def per_beam(self) -> int:
        """How many candidates one beam can contribute to a step."""
        return min(self.vocab_size, self.kept)
