"""What the adapter returns: plain data, without vLLM's classes."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from schemas.wire import TokenLogprob


class EngineGone(Exception):
    """EngineCore or one of its workers has died. The adapter cannot be used any more."""


TOO_SLOW = "structure_too_slow"
"""`Output.stop_reason` where `finish_reason` is "error": the structure's masks have taken too long."""
Distribution = tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]
"""Token ids and their natural log probabilities before any penalty or bias, both of shape `[k+1]`: the sampled token
first, then the k likeliest.
"""

Row = tuple[npt.NDArray[np.int32], npt.NDArray[np.float32], int]
"""One generated token for a reply: token ids and natural log probabilities, both of shape `[k+1]` (the token itself
first, then the k likeliest), and the token's rank, from 1.
"""


@dataclass(slots=True)
class Output:
    """What one sequence has generated since its last output. `tag` is the one that was given to `Engine.submit`."""

    tag: Any
    text: str
    token_ids: list[int]
    finish_reason: str | None
    stop_reason: str | int | None
    logprobs: list[TokenLogprob] | None = None
    prompt_logprobs: list[TokenLogprob] | None = None
    """One entry per prompt token, in the first output. None: not requested, or a later output."""
    cumulative_logprob: float | None = None
    """Sum of the log probabilities of all tokens so far. None: log probabilities were not requested."""
    distribution: Distribution | None = None
    """Takes the place of `logprobs` for a sequence submitted with `raw`."""
    vector: bytes = b""
    """The embedding as little-endian 32-bit floats. Empty: the sequence is no embedding."""
    cached_tokens: int = 0
    """How many prompt tokens vLLM had in its prefix cache. Set in the first output."""
    prompt_scores: Any = None
    """vLLM's tensors of the prompt's log probabilities, an argument of `Sequences.report`. Take the place of
    `prompt_logprobs` for a sequence submitted with `raw`.
    """
    failed: bool = False
    """Whether an exception in the adapter has ended the sequence. The output has nothing else."""


@dataclass(slots=True)
class Stats:
    """State of vLLM's scheduler after its last step: sequences running and waiting, used share of the KV cache."""

    running: int = 0
    waiting: int = 0
    kv_cache_usage: float = 0.0


class OnStage(Protocol):
    """Called with what a load does now and the share of it (0 to 1) that is done. None: the share is unknown. See
    `LoadClock.stage`.
    """

    def __call__(self, stage: str, share: float | None = None) -> None: ...
