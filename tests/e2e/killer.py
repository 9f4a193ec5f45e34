"""A logits processor that makes certain requests kill the engine: `--logits-processors tests.e2e.killer:Killer`.

vLLM runs it in its worker, where an exception ends the engine, as a defect of a kernel or of the sampler does.
"""

import torch
from vllm.v1.sample.logits_processor import BatchUpdate, LogitsProcessor
from vllm.v1.sample.logits_processor.interface import MoveDirectionality

from tests.e2e.killing import AT_ONCE, LATE, LATE_TOKENS, TOKEN

Row = tuple[float, list[int]]
"""The mark of a request, and the tokens that it has generated."""


class Killer(LogitsProcessor):  # type: ignore[misc]
    def __init__(self, vllm_config: object, device: object, is_pin_memory: bool) -> None:
        self._marked: dict[int, Row] = {}

    def is_argmax_invariant(self) -> bool:
        return False

    def update_state(self, batch_update: BatchUpdate | None) -> None:
        if batch_update is None:
            return
        for index in batch_update.removed:
            self._marked.pop(index, None)
        for index, params, _prompt, generated in batch_update.added:
            self._marked.pop(index, None)
            mark = (params.logit_bias or {}).get(TOKEN)
            if mark in (AT_ONCE, LATE):
                self._marked[index] = mark, generated
        for first, second, direction in batch_update.moved:
            moved, replaced = self._marked.pop(first, None), self._marked.pop(second, None)
            if moved is not None:
                self._marked[second] = moved
            if replaced is not None and direction == MoveDirectionality.SWAP:
                self._marked[first] = replaced

    def apply(self, logits: torch.Tensor) -> torch.Tensor:
        for mark, generated in self._marked.values():
            if mark == AT_ONCE or len(generated) >= LATE_TOKENS:
                raise RuntimeError("a request that kills its engine")
        return logits
