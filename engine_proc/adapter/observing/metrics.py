"""vLLM's own Prometheus metrics (`vllm:*`), recorded by vLLM's own classes, so that dashboards made for vLLM work.

`vllm serve` records them in its output processor, which Hearth does not use: the adapter reports each step here. vLLM
records every step by itself, which took a third of this process's time for one stream; here the steps of
`GATHER_SECONDS` are recorded together, and all of them before the metrics are read.
"""

import time
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

from engine_proc.adapter.observing.histograms import Gathered, histogram
from schemas import wire

LATENCIES = "vllm:time_to_first_token_seconds", "vllm:inter_token_latency_seconds"
COUNTERS = "vllm:prompt_tokens", "vllm:generation_tokens", "vllm:prefix_cache_queries", "vllm:prefix_cache_hits"

GATHER_SECONDS, GATHER_ENDED = 0.1, 32
"""After how many seconds of engine steps, or how many sequences that have ended in them, these are recorded: an end is
counted in fifteen metrics, and thousands at once would hold the loop.
"""

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each metric, which no dashboard needs

SequenceStats: TypeAlias = RequestStateStats
"""Times and token counts of one sequence, from which vLLM computes its metrics."""


class _Unrecorded:
    """The steps of one EngineCore that are not in Prometheus's metrics yet."""

    def __init__(self, recorded_at: float) -> None:
        """`recorded_at` is the time of the last step before these."""
        self.recorded_at = recorded_at
        self.stats = IterationStats()
        self.scheduler: SchedulerStats | None = None
        """The last state of the scheduler, with the sums over all these steps."""

    @property
    def tokens(self) -> int:
        """Tokens computed in these steps."""
        return int(self.stats.prompt_token_stats.computed + self.stats.num_generation_tokens)

    def add(self, scheduler: SchedulerStats) -> None:
        """Add the scheduler's statistics of a step."""
        if self.scheduler is not None:
            scheduler.prefix_cache_stats.queries += self.scheduler.prefix_cache_stats.queries
            scheduler.prefix_cache_stats.hits += self.scheduler.prefix_cache_stats.hits
        self.scheduler = scheduler


class Metrics:
    """vLLM's metrics, for one thread.

    For each engine step call `begin`, then `output` and `ended` for its sequences, then `end`.
    """

    def __init__(self, config: VllmConfig) -> None:
        self._logger = PrometheusStatLogger(config, list(range(config.parallel_config.data_parallel_size)))
        self._logger.log_engine_initialized()
        self._gathered = _gather_histograms(self._logger)
        self._tokens_of_steps = self._logger.histogram_iteration_tokens
        self._logger.histogram_iteration_tokens = dict.fromkeys(self._logger.engine_indexes, _Ignored())
        self._adapters = LoRARequestStates(log_stats=True)
        self._counts_nans = bool(envs.VLLM_COMPUTE_NANS_IN_LOGITS)
        self._unrecorded = {engine: _Unrecorded(0.0) for engine in self._logger.engine_indexes}
        self._engine = 0
        self._tokens_before = 0
        """Tokens of this engine's unrecorded steps before the current one."""
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
        unrecorded = self._unrecorded[engine]
        unrecorded.stats.iteration_timestamp = time.time()  # what times to the first token are measured to
        self._engine, self._tokens_before = engine, unrecorded.tokens
        self._core_time, self._previous = core_time, self._last_steps.get(engine, 0.0)
        self._regular = 0

    @property
    def _step(self) -> IterationStats:
        return self._unrecorded[self._engine].stats

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
        unrecorded = self._unrecorded[self._engine]
        self._tokens_of_steps[self._engine].observe(unrecorded.tokens - self._tokens_before)
        if self._regular:
            latencies = self._logger.histogram_inter_token_latency[self._engine]
            latencies.observe(self._core_time - self._previous, self._regular)
        self._last_steps[self._engine] = self._core_time
        if scheduler is not None:
            self._adapters.update_scheduler_stats(scheduler)
            unrecorded.add(scheduler)
        due = self._core_time - unrecorded.recorded_at >= GATHER_SECONDS
        if due or len(unrecorded.stats.finished_requests) >= GATHER_ENDED or _has_more(scheduler):
            self._record(self._engine)

    def idle(self) -> None:
        """Reset the scheduler's gauges. An idle vLLM sends no update, and its last one may have had live sequences."""
        self._record_all()
        for engine in self._logger.engine_indexes:
            self._logger.record(SchedulerStats(), None, engine_idx=engine)

    def _record_all(self) -> None:
        for engine in self._logger.engine_indexes:
            self._record(engine)

    def _record(self, engine: int) -> None:
        """Add an EngineCore's steps to Prometheus's metrics."""
        unrecorded = self._unrecorded[engine]
        self._unrecorded[engine] = _Unrecorded(self._last_steps.get(engine, 0.0))
        if engine == self._engine:  # the metrics may be read in the middle of a step
            self._tokens_before -= unrecorded.tokens
        self._logger.record(unrecorded.scheduler, unrecorded.stats, engine_idx=engine)
        for gathered in self._gathered:
            gathered.add()

    def text(self) -> str:
        """Return all of vLLM's metrics in Prometheus's text format."""
        self._record_all()
        return generate_latest(_Vllm()).decode()

    def figures(self) -> wire.Stats:
        """Return the totals and latencies that `status` shows."""
        self._record_all()
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


class _Ignored:
    """The histogram of a step's tokens, for vLLM's logger, which takes those of several steps for one's."""

    def observe(self, value: float) -> None:
        pass


def _gather_histograms(logger: PrometheusStatLogger) -> list[Gathered]:
    """Have all histograms of `logger` gather their observations, and return them."""
    gathered: list[Gathered] = []
    for name, by_engine in vars(logger).items():
        if name.startswith("histogram_") and isinstance(by_engine, dict):
            setattr(logger, name, {engine: Gathered(histogram) for engine, histogram in by_engine.items()})
            gathered += getattr(logger, name).values()
    return gathered


def _has_more(scheduler: SchedulerStats | None) -> bool:
    """Return whether a step has statistics that `_Unrecorded` does not sum up."""
    return scheduler is not None and bool(
        scheduler.connector_prefix_cache_stats is not None
        or scheduler.kv_cache_eviction_events
        or scheduler.spec_decoding_stats is not None
        or scheduler.kv_connector_stats is not None
        or scheduler.ec_connector_stats is not None
        or scheduler.perf_stats is not None
    )


def _total(counter: Metric) -> int:
    """Return the sum over all engines."""
    return int(sum(sample.value for sample in counter.samples if sample.name.endswith("_total")))


class _Vllm(Collector):
    """vLLM's metrics alone, without those of this Python process."""

    def collect(self) -> Iterable[Metric]:
        return (metric for metric in REGISTRY.collect() if metric.name.startswith("vllm:"))
