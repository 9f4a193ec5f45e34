"""Resume a sequence that another engine began: append its tokens to the prompt, and adjust its parameters for them."""

import copy
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import msgspec
from vllm.sampling_params import SamplingParams

from engine_proc.adapter.named_tokens import MAX_BIASES

HIGHEST_SEED = 2**63


@dataclass(slots=True)
class Resumed:
    """A sequence that another engine began. vLLM treats the tokens which that engine has sent as part of the prompt."""

    prepared: Any
    """vLLM's request for the whole sequence, without the tokens sent."""
    tokens: int
    """How many tokens other engines have sent."""
    request_id: str
    """vLLM's current id of the sequence. Each restart gets a new one."""
    stale: bool = False
    """A token among `_charged_twice` was generated: the sequence must be restarted."""
    _charged_twice: frozenset[int] = frozenset()
    """See `tokens_charged_twice`."""
    _biased: set[int] = field(default_factory=set)
    """The tokens that would have a bias after a restart now."""

    def remaining_request(self, sent: list[int]) -> Any:
        """Return vLLM's request for the tokens after `sent`."""
        params = self.prepared.sampling_params
        self._charged_twice, self.stale = tokens_charged_twice(params, sent), False
        self._biased = _biased_tokens(params, sent)
        return msgspec.structs.replace(
            self.prepared,
            request_id=self.request_id,
            prompt_token_ids=[*(self.prepared.prompt_token_ids or ()), *sent],
            sampling_params=remaining_params(params, sent),
        )

    def observe(self, token_ids: list[int]) -> None:
        """Set `stale` for the newly generated `token_ids`.

        With too many different tokens for a restart, the sequence is not stale: those sent before are then charged the
        presence penalty twice when they are generated again.
        """
        self._biased.update(token_ids)
        self.stale = len(self._biased) <= MAX_BIASES and not self._charged_twice.isdisjoint(token_ids)


def can_continue(params: SamplingParams, sent: list[int]) -> bool:
    """Return whether vLLM can generate the tokens after `sent`. If not, it must generate all of them again.

    It cannot enter a structure midway, and takes no more than `MAX_BIASES` biases: the penalties of `sent` need one for
    each different token.
    """
    return params.structured_outputs is None and len(_biased_tokens(params, sent)) <= MAX_BIASES


def _biased_tokens(params: SamplingParams, sent: list[int]) -> set[int]:
    """Return the ids of the tokens to which `remaining_params` gives a bias."""
    penalised = params.presence_penalty or params.frequency_penalty
    return {*(params.logit_bias or ()), *(sent if penalised else ())}


def remaining_params(params: SamplingParams, sent: list[int]) -> SamplingParams:
    """Return parameters for the tokens after `sent`, which the engine treats as part of the prompt.

    vLLM applies presence and frequency penalties to its own output only, so a bias carries the penalties of `sent`. The
    repetition penalty covers prompts too, and needs no such bias. vLLM adds biases before it applies the repetition
    penalty, which divides a positive logit: hence the factor. The seed changes, or the same random numbers would be
    drawn again as for `sent`.
    """
    remaining = copy.copy(params)
    remaining.max_tokens = max(1, (params.max_tokens or 0) - len(sent))
    remaining.min_tokens = max(0, params.min_tokens - len(sent))
    remaining.prompt_logprobs = None
    if params.seed is not None:
        remaining.seed = (params.seed + len(sent)) % HIGHEST_SEED
    if params.presence_penalty or params.frequency_penalty:
        bias = dict(params.logit_bias or {})
        for token_id, count in Counter(sent).items():
            penalty = params.presence_penalty + params.frequency_penalty * count
            bias[token_id] = bias.get(token_id, 0.0) - penalty * params.repetition_penalty
        remaining.logit_bias = bias
    return remaining


def tokens_charged_twice(params: SamplingParams, sent: list[int]) -> frozenset[int]:
    """Return the tokens that would be charged the presence penalty twice, by the bias and by vLLM.

    When one of them is generated, the sequence is restarted.
    """
    return frozenset(sent) if params.presence_penalty else frozenset()
