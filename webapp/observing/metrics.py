"""The web tier's metrics for Prometheus. All workers of a host count together, in files that they share.

gunicorn.conf.py sets the files' directory (`PROMETHEUS_MULTIPROC_DIR`) in each worker. Without it each process counts
for itself.
"""

import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from flask import Flask, Response, request
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest, values
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from schemas import wire
from webapp.middleware.call import LOGGED
from webapp.observing.metrics_files import DIRECTORY, locked, sound_files

_pid = os.getpid()


def _forked() -> None:
    global _pid
    _pid = os.getpid()


os.register_at_fork(after_in_child=_forked)  # each count asks for the process's id, and the kernel takes its time
if DIRECTORY in os.environ:  # gunicorn's master may have imported `values` without it
    values.ValueClass = values.MultiProcessValue(lambda: _pid)  # type: ignore[no-untyped-call]

SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

REQUESTS = Counter("hearth_http_requests", "HTTP responses, by route and final status.", ["path", "status"])
BACKGROUND = Counter(
    "hearth_background_requests",
    "Generations that are no HTTP response, by route and status: background answers, lines of batches, and jobs that "
    "another web worker began.",
    ["path", "status"],
)
LIVE = Gauge("hearth_requests_live", "Generations in progress in web workers.", multiprocess_mode="livesum")
DURATION = Histogram("hearth_request_duration_seconds", "Duration of whole generations.", ["path"], buckets=SECONDS)
TTFT = Histogram(
    "hearth_time_to_first_token_seconds",
    "TTFT of streamed generations that a client waits for, measured in the web tier.",
    ["path"],
    buckets=SECONDS,
)
PROMPT_TOKENS = Counter("hearth_prompt_tokens", "Tokens of all prompts.", ["path"])
COMPLETION_TOKENS = Counter("hearth_completion_tokens", "Generated tokens, discarded candidates included.", ["path"])
STRANDED = Counter("hearth_requests_stranded", "Requests that lost their engine and waited for the next.")


class PathMetrics(NamedTuple):
    """The metrics of the generations of one route."""

    duration: Histogram
    ttft: Histogram
    prompt_tokens: Counter
    completion_tokens: Counter


@lru_cache(maxsize=16)
def of_path(path: str) -> PathMetrics:
    """Return the metrics of the route `path`."""
    return PathMetrics(
        DURATION.labels(path), TTFT.labels(path), PROMPT_TOKENS.labels(path), COMPLETION_TOKENS.labels(path)
    )


def register(app: Flask) -> None:
    """Count the responses of `app`, except those of generations: a `RequestLog` counts these when they have ended."""

    @app.after_request
    def count(response: Response) -> Response:
        if LOGGED not in request.environ:
            rule = request.url_rule.rule if request.url_rule is not None else "unknown"
            REQUESTS.labels(rule, str(response.status_code)).inc()
        return response


def text(engine: Collector) -> bytes:
    """Return the metrics of all workers, and those of `engine`, in Prometheus's text format."""
    registry = CollectorRegistry()
    registry.register(engine)
    directory = os.environ.get(DIRECTORY)
    if directory is None:
        return generate_latest(_WebMetrics()) + generate_latest(registry)
    with locked(Path(directory)):
        registry.register(_WorkerFiles(Path(directory)))
        return generate_latest(registry)


class _WorkerFiles(Collector):
    """The metrics of all workers, from the files that can be read."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def collect(self) -> Iterable[Metric]:
        metrics: Iterable[Metric] = MultiProcessCollector.merge(sound_files(self._directory))  # type: ignore[no-untyped-call]
        return metrics


class _WebMetrics(Collector):
    """This process's own metrics, without those that prometheus_client adds about Python."""

    def collect(self) -> Iterable[Metric]:
        return (metric for metric in REGISTRY.collect() if metric.name.startswith("hearth_"))


class EngineFigures(Collector):
    """Metrics of the engine as a web worker knows it. `welcome` and `pulse` are None while no engine answers."""

    def __init__(self, state: str, welcome: wire.Welcome | None, pulse: wire.Pong | None) -> None:
        self._state, self._welcome, self._pulse = state, welcome, pulse

    def collect(self) -> Iterable[Metric]:
        state = GaugeMetricFamily("hearth_engine_state", "1 for the state that the engine is in.", labels=["state"])
        for name in STATES:
            state.add_metric([name], float(name == self._state))
        yield state
        if self._welcome is None or self._pulse is None:
            return
        yield CounterMetricFamily(
            "hearth_engine_loads", "How many times the model was loaded.", self._welcome.load_count
        )
        yield GaugeMetricFamily(
            "hearth_engine_start_time_seconds",
            "When the model process was started, in Unix seconds.",
            self._welcome.started,
        )
        yield GaugeMetricFamily(
            "hearth_engine_load_progress", "How far the model has loaded, from 0 to 1.", self._pulse.load.progress
        )
        yield GaugeMetricFamily(
            "hearth_engine_requests_live", "Live requests of all web workers and hosts.", self._pulse.live
        )


STATES = ("ready", "loading", "restarting", "gone", "incompatible")
