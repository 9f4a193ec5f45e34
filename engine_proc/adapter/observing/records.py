"""What happens to each sequence, for vLLM's metrics and for the traces."""

import contextlib
import logging
from typing import TYPE_CHECKING

from vllm.config import VllmConfig
from vllm.v1.engine import EngineCoreOutput, FinishReason
from vllm.v1.metrics.stats import SchedulerStats

from engine_proc.adapter.observing.metrics import Metrics
from engine_proc.adapter.observing.traces import Traces

if TYPE_CHECKING:
    from engine_proc.adapter.sequences import Sequence

log = logging.getLogger("hearth.metrics")


class Records:
    """Reports sequences to vLLM's metrics and to the traces. For one thread.

    For each engine step call `metrics.begin`, then `output` and `ended` for its sequences, then `end`.
    """

    def __init__(self, config: VllmConfig) -> None:
        self.metrics = Metrics(config)
        self.traces = Traces(config.observability_config.otlp_traces_endpoint)

    def output(self, sequence: "Sequence", raw: EngineCoreOutput) -> None:
        """Record an output of this step."""
        self.metrics.output(sequence.stats, raw, sequence.adapter)

    def ended(self, sequence: "Sequence", raw: EngineCoreOutput) -> None:
        """Record the end of a sequence, after its last `output`."""
        reason = FinishReason.STOP if raw.finish_reason is None else raw.finish_reason  # None: a stop string
        prompt = len(sequence.prompt_token_ids)
        self.metrics.ended(
            sequence.stats, raw, reason, prompt, sequence.cached_tokens, sequence.max_tokens, sequence.adapter
        )
        if sequence.trace:
            self.traces.ended(sequence.trace, sequence.stats, prompt, sequence.max_tokens)

    def failed(self, sequence: "Sequence", request_id: str) -> None:
        """Record the end of a sequence by an exception, perhaps of these records. Never raises."""
        with contextlib.suppress(Exception):
            self.metrics.aborted(request_id, sequence.adapter)

    def end(self, scheduler: SchedulerStats | None) -> None:
        """End a step. Never raises: the step's outputs must be sent in any case."""
        try:
            self.metrics.end(scheduler)
        except Exception:
            log.exception("vLLM's metrics failed on a step")
