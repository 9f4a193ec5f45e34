"""How a sequence goes on in an engine that has not begun it: its tokens join the prompt, and its params count them."""

import copy
from collections import Counter
from dataclasses import dataclass
from typing import Any

import msgspec
from vllm.sampling_params import SamplingParams

HIGHEST_SEED = 2**63


@dataclass(slots=True)
class Resumed:
    """A sequence that another engine has begun: vLLM takes what that one has sent for a part of the prompt."""

    prepared: Any
    """vLLM's request, as it was before it was begun at all."""
    tokens: int
    """That other engines have sent."""
    request_id: str
    """vLLM's name of it now: another one each time that it is begun anew."""
    stale: bool = False
    """One of `_counted` has come."""
    _counted: frozenset[int] = frozenset()
    """See `counted_once`."""

    def remaining_request(self, sent: list[int]) -> Any:
        """vLLM's request for what comes after `sent`."""
        params = self.prepared.sampling_params
        self._counted, self.stale = counted_once(params, sent), False
        return msgspec.structs.replace(
            self.prepared,
            request_id=self.request_id,
            prompt_token_ids=[*(self.prepared.prompt_token_ids or ()), *sent],
            sampling_params=remaining_params(params, sent),
        )

    def observe(self, token_ids: list[int]) -> None:
        """These have come."""
        self.stale = not self._counted.isdisjoint(token_ids)


def remaining_params(params: SamplingParams, sent: list[int]) -> SamplingParams:
    """For what comes after the tokens `sent`, which the engine takes for a part of the prompt.

    vLLM counts presence and frequency penalties over its own output alone, so a bias holds what `sent` has earned;
    the repetition penalty counts prompts too. vLLM biases before it penalises repetition, which divides a positive
    logit: hence the factor. A seed must not draw again the numbers that `sent` was drawn with.
    """
    rest = copy.copy(params)
    rest.max_tokens = max(1, (params.max_tokens or 0) - len(sent))
    rest.min_tokens = max(0, params.min_tokens - len(sent))
    rest.prompt_logprobs = None
    if params.seed is not None:
        rest.seed = (params.seed + len(sent)) % HIGHEST_SEED
    if params.presence_penalty or params.frequency_penalty:
        bias = dict(params.logit_bias or {})
        for token_id, count in Counter(sent).items():
            earned = params.presence_penalty + params.frequency_penalty * count
            bias[token_id] = bias.get(token_id, 0.0) - earned * params.repetition_penalty
        rest.logit_bias = bias
    return rest


def counted_once(params: SamplingParams, sent: list[int]) -> frozenset[int]:
    """Tokens that vLLM would charge the presence penalty a second time: when one comes, the sequence is begun anew."""
    return frozenset(sent) if params.presence_penalty else frozenset()
