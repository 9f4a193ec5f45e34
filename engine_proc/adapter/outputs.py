"""What the adapter reports: plain data, without anything of vLLM's."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from schemas.wire import TokenLogprob


class EngineGone(Exception):
    """EngineCore or one of its workers has died; the adapter can do no more."""


Distribution = tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]
"""Token ids and their natural log probabilities, before any penalty or bias: the sampled token, then the likeliest."""

Row = tuple[npt.NDArray[np.int32], npt.NDArray[np.float32], int]
"""What a reply tells of one token: ids and log probabilities, the token's own first, then the likeliest; its rank."""


@dataclass(slots=True)
class Output:
    """What one sequence has gained. `tag` is what `submit` was given."""

    tag: Any
    text: str
    token_ids: list[int]
    finish_reason: str | None
    stop_reason: str | int | None
    logprobs: list[TokenLogprob] | None = None
    prompt_logprobs: list[TokenLogprob] | None = None
    """In the first output, where they were asked for: one per prompt token."""
    cumulative_logprob: float | None = None
    """Of all tokens so far, where log probabilities were asked for."""
    distribution: Distribution | None = None
    """In place of `logprobs`, for a sequence submitted with `raw`."""
    vector: bytes = b""
    """Of an embedding: 32-bit floats, little-endian."""
    cached_tokens: int = 0
    """In the first output: tokens of the prompt that vLLM had in its prefix cache."""
    prompt_scores: Any = None
    """In place of `prompt_logprobs`, likewise: for `Sequences.report`."""


@dataclass(slots=True)
class Stats:
    """vLLM's scheduler, as of its last step."""

    running: int = 0
    waiting: int = 0
    kv_cache_usage: float = 0.0


class OnStage(Protocol):
    """Hears what a load does now and, where that is known, how far it is with it: `LoadClock.stage`."""

    def __call__(self, stage: str, share: float | None = None) -> None: ...
