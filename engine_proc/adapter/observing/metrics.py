"""vLLM's own Prometheus metrics (`vllm:*`), recorded by vLLM's own classes, so that dashboards made for vLLM work.

`vllm serve` records them in its output processor, which Hearth does not use: the adapter reports each step here.
"""

from collections.abc import Iterable
from typing import TypeAlias

from prometheus_client import REGISTRY, Metric, disable_created_metrics, generate_latest
from prometheus_client.registry import Collector
from vllm import envs
from vllm.config import VllmConfig
from vllm.v1.engine import EngineCoreOutput, FinishReason
from vllm.v1.engine.parallel_sampling import ParentRequest
from vllm.v1.metrics.loggers import PrometheusStatLogger
from vllm.v1.metrics.stats import IterationStats, LoRARequestStates, RequestStateStats, SchedulerStats

from engine_proc.adapter.observing.histograms import histogram, observe
from schemas import wire

LATENCIES = "vllm:time_to_first_token_seconds", "vllm:inter_token_latency_seconds"
COUNTERS = "vllm:prompt_tokens", "vllm:generation_tokens", "vllm:prefix_cache_queries", "vllm:prefix_cache_hits"

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each metric, which no dashboard needs

SequenceStats: TypeAlias = RequestStateStats
"""Times and token counts of one sequence, from which vLLM computes its metrics."""


class Metrics:
    """vLLM's metrics, for one thread.

    For each engine step call `begin`, then `output` and `ended` for its sequences, then `end`.
    """

    def __init__(self, config: VllmConfig) -> None:
        self._logger = PrometheusStatLogger(config, list(range(config.parallel_config.data_parallel_size)))
        self._logger.log_engine_initialized()
        self._adapters = LoRARequestStates(log_stats=True)
        self._counts_nans = bool(envs.VLLM_COMPUTE_NANS_IN_LOGITS)
        self._step = IterationStats()
        self._engine = 0
        self._core_time = 0.0
        """Time of the current step."""
        self._previous = 0.0
        """Time of the same EngineCore's previous step."""
        self._last_steps: dict[int, float] = {}
        """Time of each EngineCore's last step, by engine index."""
        self._regular = 0
        """How many tokens of this step have the time since the previous step as their inter-token latency."""

    def begin(self, core_time: float, engine: int) -> None:
        """Begin a step. `engine` is the index of an EngineCore, `core_time` the step's time by its monotonic clock."""
        self._step, self._engine = IterationStats(), engine
        self._core_time, self._previous = core_time, self._last_steps.get(engine, 0.0)
        self._regular = 0

    def output(self, stats: SequenceStats, raw: EngineCoreOutput, adapter: str | None) -> None:
        """Record a sequence's output of this step.

        vLLM's own function takes 2 us, so it is called only for a sequence's first tokens and for events.
        """
        first = stats.num_generation_tokens == 0
        if first or raw.events is not None or self._counts_nans:
            self._step.update_from_output(raw, self._core_time, first, stats, self._adapters, adapter)
            return
        self._step.num_generation_tokens += len(raw.new_token_ids)
        stats.num_generation_tokens += len(raw.new_token_ids)
        if stats.last_token_ts == self._previous:
            self._regular += 1  # most tokens follow one of the previous step, and have one latency in common
        else:
            self._step.inter_token_latencies_iter.append(self._core_time - stats.last_token_ts)
        stats.last_token_ts = self._core_time

    def ended(
        self,
        stats: SequenceStats,
        raw: EngineCoreOutput,
        reason: FinishReason,
        prompt_tokens: int,
        cached_tokens: int,
        max_tokens: int | None,
        adapter: str | None,
    ) -> None:
        """Record the end of a sequence, after its last `output`."""
        self._step.update_from_finished_request(reason, raw.request_id, prompt_tokens, max_tokens, stats, cached_tokens)
        self._adapters.request_finished(raw.request_id, adapter)
        ParentRequest.observe_finished_request(None, self._step, stats.num_generation_tokens)

    def aborted(self, request_id: str, adapter: str | None) -> None:
        """Record the abort of a sequence. `request_id` is vLLM's id of the sequence."""
        self._adapters.request_finished(request_id, adapter)

    def end(self, scheduler: SchedulerStats | None) -> None:
        """End a step. `scheduler` is None if EngineCore sent no scheduler statistics with it."""
        self._adapters.update_scheduler_stats(scheduler)
        self._logger.record(scheduler, self._step, engine_idx=self._engine)
        if self._regular:
            latencies = self._logger.histogram_inter_token_latency[self._engine]
            observe(latencies, self._core_time - self._previous, self._regular)
        self._last_steps[self._engine] = self._core_time

    def idle(self) -> None:
        """Reset the scheduler's gauges. An idle vLLM sends no update, and its last one may have had live sequences."""
        for engine in self._logger.engine_indexes:
            self._logger.record(SchedulerStats(), None, engine_idx=engine)

    def text(self) -> str:
        """Return all of vLLM's metrics in Prometheus's text format."""
        return generate_latest(_Vllm()).decode()

    def figures(self) -> wire.Stats:
        """Return the totals and latencies that `status` shows."""
        found = {metric.name: metric for metric in _Vllm().collect()}
        ttft, itl = (histogram(found[name].samples) for name in LATENCIES)
        prompt, generated, queries, hits = (_total(found[name]) for name in COUNTERS)
        return wire.Stats(
            ttft=ttft,
            itl=itl,
            prompt_tokens=prompt,
            generated_tokens=generated,
            prefix_cache_queries=queries,
            prefix_cache_hits=hits,
        )


def _total(counter: Metric) -> int:
    """Return the sum over all engines."""
    return int(sum(sample.value for sample in counter.samples if sample.name.endswith("_total")))


class _Vllm(Collector):
    """vLLM's metrics alone, without those of this Python process."""

    def collect(self) -> Iterable[Metric]:
        return (metric for metric in REGISTRY.collect() if metric.name.startswith("vllm:"))
