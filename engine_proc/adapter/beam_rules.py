"""A request's beam search settings, in vLLM's terms, and how many log probabilities each of its steps needs."""

from collections.abc import Callable
from dataclasses import dataclass

from vllm.sampling_params import RequestOutputKind, SamplingParams

BYTES_PER_LOGPROB = 8
"""A token id and its log probability, 32 bits each."""
MAX_STEP_BYTES = 64_000_000
"""Limit on the log probabilities that vLLM returns for one step of a search, all beams together."""


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
    prompt_logprobs: int | None
    """Alternatives per token of the prompt, whose log probabilities the first step returns. None: it returns none."""
    prompt_tokens: int
    """How many different tokens the prompt has."""
    bias: dict[int, float]
    """`logit_bias` by token id."""
    allowed: list[int]
    """Ids of the tokens that may be generated. Empty: all of them."""
    repetition_penalty: float
    presence_penalty: float
    frequency_penalty: float
    has_looped: Callable[[list[int]], bool] | None = None
    """Returns whether a beam of these token ids repeats itself, which ends the beam. None: that does not end a beam."""

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
        """How many candidates one beam can contribute to a step.

        The step chooses `width` of them that grow, and drops those that end. Without stop strings and loops, no more of
        a beam's candidates end than there are end tokens; `width` more leave room for equal log probabilities.
        """
        ending = self.kept if self.has_stop_strings or self.has_looped else self.width + len(self.end_ids)
        return min(self.vocab_size, self.kept, self.width + ending)

    def rows(self, length: int) -> int:
        """Return how many of its likeliest next tokens each beam of `length` tokens needs from vLLM.

        Of the best `per_beam + m` tokens, no more than m are among m tokens whose log probability is lowered, by a
        negative bias or a penalty: the best `per_beam` are always left. A token that is raised may come from anywhere
        in the vocabulary, and so may one of a white list, which takes the whole vocabulary. (vLLM can be asked for
        certain tokens, with `logprob_token_ids`. On a CPU that takes the log probabilities from all other requests of
        the batch, and on a GPU it is limited to 128 tokens.)

        `length` is rounded up to a power of two, so that a search has few different numbers of rows.
        """
        if self._raises or self.allowed:
            return self.vocab_size
        generated = 1 << (length - 1).bit_length() if length else 0
        lowered = sum(bias < 0 for bias in self.bias.values())
        if self.repetition_penalty > 1:
            lowered += self.prompt_tokens + generated
        elif self.presence_penalty or self.frequency_penalty:
            lowered += generated
        return min(self.vocab_size, max(self.per_beam + lowered, self.alternatives or 0))

    @property
    def _raises(self) -> bool:
        """Whether a bias or a penalty may raise a log probability."""
        negative = self.repetition_penalty < 1 or self.presence_penalty < 0 or self.frequency_penalty < 0
        return negative or any(bias > 0 for bias in self.bias.values())

    def bytes(self, rows: int) -> int:
        """Return the size of the log probabilities of a step with `rows` of them for each beam."""
        return self.width * rows * BYTES_PER_LOGPROB

    def step(self, rows: int, *, first: bool = False) -> SamplingParams:
        """Return the parameters of one step of one beam: one token, and `rows` log probabilities to choose from.

        The `first` step scores the prompt too, if the request asks for it: vLLM computes a prompt that it scores anew,
        whatever its cache holds.
        """
        return SamplingParams(
            max_tokens=1,
            temperature=0.0,
            logprobs=rows,
            prompt_logprobs=self.prompt_logprobs if first else None,
            detokenize=False,
            output_kind=RequestOutputKind.DELTA,
            skip_clone=True,
        )
