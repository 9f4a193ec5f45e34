"""vLLM's own Prometheus metrics (`vllm:*`), kept by vLLM's own classes, so that dashboards made for it can be used.

`vllm serve` fills them in its output processor, which Hearth has none of: the adapter tells of each step here.
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

disable_created_metrics()  # type: ignore[no-untyped-call]  # series that no dashboard has a use for, one for each other

SequenceStats: TypeAlias = RequestStateStats
"""What vLLM's metrics need to know of one sequence."""


class Metrics:
    """Of each step: `begin`, `output` and `ended` for its sequences, `end`. For one thread."""

    def __init__(self, config: VllmConfig) -> None:
        self._logger = PrometheusStatLogger(config, list(range(config.parallel_config.data_parallel_size)))
        self._logger.log_engine_initialized()
        self._adapters = LoRARequestStates(log_stats=True)
        self._looks_for_nans = bool(envs.VLLM_COMPUTE_NANS_IN_LOGITS)
        self._step = IterationStats()
        self._engine = 0
        self._core_time = 0.0
        self._before = 0.0
        """When the same EngineCore made the step before."""
        self._made_at: dict[int, float] = {}
        self._regular = 0

    def begin(self, core_time: float, engine: int) -> None:
        """`core_time`: when that EngineCore made the step, by the monotonic clock."""
        self._step, self._engine = IterationStats(), engine
        self._core_time, self._before = core_time, self._made_at.get(engine, 0.0)
        self._regular = 0

    def output(self, stats: SequenceStats, raw: EngineCoreOutput, adapter: str | None) -> None:
        """vLLM's own way takes 2 us, so it is for a sequence's first tokens and for events."""
        first = stats.num_generation_tokens == 0
        if first or raw.events is not None or self._looks_for_nans:
            self._step.update_from_output(raw, self._core_time, first, stats, self._adapters, adapter)
            return
        self._step.num_generation_tokens += len(raw.new_token_ids)
        stats.num_generation_tokens += len(raw.new_token_ids)
        if stats.last_token_ts == self._before:
            self._regular += 1  # most tokens follow one of the step before, and so took the same time
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
        self._step.update_from_finished_request(reason, raw.request_id, prompt_tokens, max_tokens, stats, cached_tokens)
        self._adapters.request_finished(raw.request_id, adapter)
        ParentRequest.observe_finished_request(None, self._step, stats.num_generation_tokens)

    def aborted(self, name: str, adapter: str | None) -> None:
        """`name`: vLLM's, of the sequence."""
        self._adapters.request_finished(name, adapter)

    def end(self, scheduler: SchedulerStats | None) -> None:
        self._adapters.update_scheduler_stats(scheduler)
        self._logger.record(scheduler, self._step, engine_idx=self._engine)
        if self._regular:
            latencies = self._logger.histogram_inter_token_latency[self._engine]
            observe(latencies, self._core_time - self._before, self._regular)
        self._made_at[self._engine] = self._core_time

    def idle(self) -> None:
        """vLLM sends nothing once nothing is live, and its last word may have been that something was."""
        for engine in self._logger.engine_indexes:
            self._logger.record(SchedulerStats(), None, engine_idx=engine)

    def text(self) -> str:
        """All of them, in Prometheus's text format."""
        return generate_latest(_Vllm()).decode()

    def figures(self) -> wire.Stats:
        """What `status` shows of them."""
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
    """Of all engines."""
    return int(sum(sample.value for sample in counter.samples if sample.name.endswith("_total")))


class _Vllm(Collector):
    """Not this process's own figures, which are the operating system's to tell."""

    def collect(self) -> Iterable[Metric]:
        return (metric for metric in REGISTRY.collect() if metric.name.startswith("vllm:"))
