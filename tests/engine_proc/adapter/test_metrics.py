"""vLLM's metrics, recorded for many steps at once, are those that vLLM records step by step."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prometheus_client import generate_latest
from vllm.config import VllmConfig
from vllm.engine.arg_utils import EngineArgs
from vllm.v1.engine import EngineCoreEvent, EngineCoreEventType, EngineCoreOutput, FinishReason
from vllm.v1.engine.parallel_sampling import ParentRequest
from vllm.v1.metrics import stats as vllm_stats
from vllm.v1.metrics.loggers import PrometheusStatLogger
from vllm.v1.metrics.stats import (
    IterationStats,
    LoRARequestStates,
    PrefillStats,
    PrefixCacheStats,
    RequestStateStats,
    SchedulerStats,
)

from engine_proc.adapter.observing import metrics as ours
from engine_proc.adapter.observing.metrics import GATHER_ENDED, GATHER_SECONDS, Metrics, _Vllm
from tests.engine_proc.helpers import MODEL

ENGINES, SEQUENCES, TOKENS, PROMPT = 2, 5, 30, 12
STEP_SECONDS = GATHER_SECONDS / 7
Step = tuple[int, float, SchedulerStats, list[EngineCoreOutput]]


@pytest.fixture(scope="module")
def config() -> VllmConfig:
    return EngineArgs(model=str(MODEL), enforce_eager=True, data_parallel_size=2).create_engine_config()


@pytest.fixture(autouse=True)
def one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the clock that times to the first token are read from."""
    for module in (vllm_stats, ours):
        monkeypatch.setattr(module.time, "time", lambda: 1000.0)


def _steps() -> Iterator[Step]:
    """Yield the steps of two EngineCores by turns, in which sequences begin one after the other, and end."""
    for number, engine in itertools.product(range(TOKENS + SEQUENCES), range(ENGINES)):
        at = 50.0 + number * STEP_SECONDS + engine * 0.001
        running = [index for index in range(engine, SEQUENCES, ENGINES) if index <= number < index + TOKENS]
        cached = PrefixCacheStats(requests=1, queries=PROMPT, hits=4) if number < SEQUENCES else PrefixCacheStats()
        scheduler = SchedulerStats(num_running_reqs=len(running), kv_cache_usage=0.25, prefix_cache_stats=cached)
        outputs = []
        for index in running:
            output = EngineCoreOutput(f"sequence-{index}", [7])
            if number == index:
                output.prefill_stats = PrefillStats()
                output.prefill_stats.set(PROMPT, 4, 0)
                queued = EngineCoreEvent(EngineCoreEventType.QUEUED, at - 0.02)
                output.events = [queued, EngineCoreEvent(EngineCoreEventType.SCHEDULED, at - 0.01)]
            if number == index + TOKENS - 1:
                output.finish_reason = FinishReason.LENGTH
            outputs.append(output)
        yield engine, at, scheduler, outputs


def _by_steps(config: VllmConfig) -> str:
    """Return the text of what vLLM records of the steps."""
    logger = PrometheusStatLogger(config, [0, 1])
    logger.log_engine_initialized()
    adapters, sequences = LoRARequestStates(log_stats=True), _sequences()
    for engine, at, scheduler, outputs in _steps():
        step = IterationStats()
        for output in outputs:
            stats = sequences[output.request_id]
            step.update_from_output(output, at, stats.num_generation_tokens == 0, stats, adapters, None)
            if output.finish_reason is not None:
                step.update_from_finished_request(output.finish_reason, output.request_id, PROMPT, TOKENS, stats, 4)
                ParentRequest.observe_finished_request(None, step, stats.num_generation_tokens)
        logger.record(scheduler, step, engine_idx=engine)
    return generate_latest(_Vllm()).decode()


def _gathered(config: VllmConfig, read_at: Callable[[int, int], bool]) -> str:
    """Return the text of what Hearth records. `read_at`: whether it is read before the output `(step, index)` too."""
    metrics, sequences = Metrics(config), _sequences()
    for number, (engine, at, scheduler, outputs) in enumerate(_steps()):
        metrics.begin(at, engine)
        for index, output in enumerate(outputs):
            if read_at(number, index):
                metrics.text()
            stats = sequences[output.request_id]
            metrics.output(stats, output, None)
            if output.finish_reason is not None:
                metrics.ended(stats, output, output.finish_reason, PROMPT, 4, TOKENS, None)
        metrics.end(scheduler)
    return metrics.text()


def _sequences() -> dict[str, RequestStateStats]:
    return {f"sequence-{index}": RequestStateStats(arrival_time=998.5) for index in range(SEQUENCES)}


def _figures(text: str) -> dict[str, float]:
    rows = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in rows}


def _named(name: str, config: VllmConfig) -> str:
    """Return the name of a metric of the first EngineCore, as Prometheus's text has it."""
    return f'{name}{{engine="0",model_name="{config.model_config.model}"}}'


@pytest.mark.parametrize(
    "read_at",
    [lambda step, index: False, lambda step, index: index == 0, lambda step, index: step % 3 == index],
    ids=["read at the end", "read before each step", "read within steps"],
)
def test_gathered_steps_count_as_one_by_one(config: VllmConfig, read_at: Callable[[int, int], bool]) -> None:
    expected = _figures(_by_steps(config))
    assert expected[_named("vllm:generation_tokens_total", config)] == TOKENS * 3
    assert _figures(_gathered(config, read_at)) == pytest.approx(expected)


def test_steps_are_recorded_without_anyone_who_reads(config: VllmConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    record, records = PrometheusStatLogger.record, 0

    def counted(*args: Any, **named: Any) -> None:
        nonlocal records
        records += 1
        record(*args, **named)

    monkeypatch.setattr(PrometheusStatLogger, "record", counted)
    _gathered(config, lambda step, index: False)
    seconds = (TOKENS + SEQUENCES) * STEP_SECONDS
    assert records == pytest.approx(ENGINES * (seconds / GATHER_SECONDS + 1), abs=ENGINES)  # and once for the text


def test_many_ends_are_recorded_at_once(config: VllmConfig) -> None:
    metrics = Metrics(config)
    successes = (
        f'vllm:request_success_total{{engine="0",finished_reason="length",model_name="{config.model_config.model}"}}'
    )
    found = []
    for step in range(3):
        metrics.begin(50.0 + 0.001 * step, 0)
        for number in range(GATHER_ENDED - 1):
            stats, output = RequestStateStats(arrival_time=998.5), EngineCoreOutput(f"{step}-{number}", [7])
            metrics.output(stats, output, None)
            metrics.ended(stats, output, FinishReason.LENGTH, PROMPT, 0, TOKENS, None)
        metrics.end(None)
        found.append(_figures(generate_latest(_Vllm()).decode())[successes])
    assert found == [count * (GATHER_ENDED - 1) for count in (1, 1, 3)]


def test_what_cannot_be_summed_up_is_recorded_at_once(config: VllmConfig) -> None:
    metrics, running = Metrics(config), _named("vllm:num_requests_running", config)
    found = []
    more = {"connector_prefix_cache_stats": PrefixCacheStats()}
    for count, statistics in ((2, {}), (3, {}), (4, more)):
        metrics.begin(50.0 + 0.001 * count, 0)
        metrics.end(SchedulerStats(num_running_reqs=count, **statistics))
        found.append(_figures(generate_latest(_Vllm()).decode())[running])
    assert found == [2, 2, 4]
