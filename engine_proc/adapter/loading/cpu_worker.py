"""vLLM's worker for CPUs, which no seed can end, and no prompt with log probabilities can make grow by gigabytes.

vLLM imports this module in the worker's process.
"""

from typing import Any

import torch
from vllm.v1.worker import cpu_worker
from vllm.v1.worker.cpu_model_runner import CPUModelRunner

ROWS_AT_ONCE = 16
"""Tokens of a prompt whose log probabilities are computed at a time: each takes some rows as long as the vocabulary.

For Llama 3's vocabulary that is 8 MB in one piece. glibc takes up to 32 MB from its heap, which rarely shrinks again.
"""


class ModelRunner(CPUModelRunner):  # type: ignore[misc]
    """Draws no random number of a request whose prompt is not yet computed to its end.

    vLLM samples a token for each request of a step, also for one whose prompt is prefilled in parts, and discards that
    token. It then sets the request's generator back by the number drawn, so that a seed's answer does not depend on how
    the prompt was cut. A CPU's generator cannot be set back: that raised, and ended the engine.
    """

    _held: dict[int, torch.Generator]
    """The generators of such requests during a step, by the request's row in the batch."""

    def _sample(self, *args: Any, **kwargs: Any) -> Any:
        generators = self.input_batch.generators  # the sampler uses this dict; without an entry it draws from another
        unfinished = self.discard_request_mask.np[: self.input_batch.num_reqs].nonzero()[0].tolist()
        self._held = {row: generators.pop(row) for row in unfinished if row in generators}
        return super()._sample(*args, **kwargs)

    def _bookkeeping_sync(self, *args: Any, **kwargs: Any) -> Any:
        result = super()._bookkeeping_sync(*args, **kwargs)
        self.input_batch.generators.update(self._held)
        return result

    def _get_prompt_logprobs_dict(self, hidden_states: torch.Tensor, num_scheduled_tokens: dict[str, int]) -> Any:
        """Return the log probabilities of prompts, by request, where a prompt is now computed to its end.

        vLLM's method computes all tokens of a step at once: 3 GB for 1,500 tokens of Llama 3's vocabulary. Here it gets
        a few tokens at a time, as if the prompt were prefilled in parts. vLLM's runner for GPUs does so by itself.
        """
        complete: dict[str, Any] = {}
        for name in list(self.num_prompt_logprobs):
            request, tokens = self.requests[name], num_scheduled_tokens.get(name, 0)
            computed = request.num_computed_tokens
            for begin in range(0, tokens, ROWS_AT_ONCE):
                request.num_computed_tokens = computed + begin
                part = {name: min(ROWS_AT_ONCE, tokens - begin)}
                complete |= super()._get_prompt_logprobs_dict(hidden_states[begin:], part)
            request.num_computed_tokens = computed
        return complete


class CPUWorker(cpu_worker.CPUWorker):  # type: ignore[misc]
    """vLLM's worker with the `ModelRunner` of this module."""

    def init_device(self) -> None:
        cpu_worker.CPUModelRunner = ModelRunner  # the name by which vLLM's method finds the class
        super().init_device()
