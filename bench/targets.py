"""The targets for Hearth, and whether a run meets them. Every value is computed from the samples."""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.samples import Samples

NAMES = {
    "hearth": "Hearth",
    "before": "Hearth before",
    "vllm": "`vllm serve`",
    "rust": "vLLM's Rust front end",
    "smg": "SMG",
    "engine": "the engine alone",
}
PEERS = [name for name in NAMES if name != "before"]
"""The contenders of a run that names none."""


@dataclass(slots=True)
class Row:
    """One line of the table of targets."""

    what: str
    limit: float
    at_least: bool
    """Whether `limit` is a minimum. Otherwise it is a maximum."""
    values: list[float] = field(default_factory=list)
    """One value per round."""
    unit: str = ""
    reason: str = ""
    """Why there is no value, if known."""

    @property
    def value(self) -> float | None:
        """The median of the rounds. None: not measured."""
        return statistics.median(self.values) if self.values else None

    @property
    def met(self) -> bool | None:
        """Whether the target is met. None: not measured."""
        if self.value is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    @property
    def verdict(self) -> str:
        if self.met is None:
            return "not measured" + (f": {self.reason}" if self.reason else "")
        return "met" if self.met else "**not met**"


@dataclass(frozen=True, slots=True)
class Ratio:
    """A target for a figure of Hearth divided by that of another contender, or by Hearth's own at another load."""

    what: str
    load: str
    tool: str
    figure: str
    against: str
    limit: float
    at_least: bool = False
    against_load: str = ""

    def row(self, samples: Samples, absent: dict[str, str]) -> Row:
        """Return the line of the table, with the measured values."""
        theirs = (self.against, self.against_load or self.load)
        values = samples.ratios(("hearth", self.load), theirs, self.tool, self.figure)
        peer = f"itself at {self.against_load}" if self.against_load else NAMES[self.against]
        return Row(
            f"{self.what}, relative to {peer}", self.limit, self.at_least, values, "", absent.get(self.against, "")
        )


def ratios() -> Iterator[Ratio]:
    """Yield all targets that are ratios, on the simulated GPU."""
    streamed, whole = "streamed throughput at 256", "throughput, not streamed at 256"
    for against, limit in (("vllm", 2.0), ("rust", 0.95), ("engine", 0.92)):
        yield Ratio(streamed, "stream-256", "wrk", "tokens_per_s", against, limit, at_least=True)
    cpu = "front-end CPU"
    for connections in (64, 256):
        for against, limit in (("vllm", 0.30), ("rust", 1.5)):
            load = f"stream-{connections}"
            yield Ratio(f"{cpu} per token, streamed at {connections}", load, "wrk", "cpu_us_per_token", against, limit)
    for against, limit in (("vllm", 1.15), ("rust", 0.97)):
        yield Ratio(whole, "whole-256", "wrk", "tokens_per_s", against, limit, at_least=True)
    yield Ratio(f"{cpu} per token, not streamed at 256", "whole-256", "wrk", "cpu_us_per_token", "vllm", 0.35)
    short = "requests/s at `max_tokens` 1, 64 connections"
    for against, limit in (("vllm", 4.0), ("rust", 0.45)):
        yield Ratio(short, "one-token-64", "wrk", "requests_per_s", against, limit, at_least=True)
    yield Ratio(f"{cpu} per request of one token", "one-token-64", "wrk", "cpu_us_per_request", "vllm", 0.25)
    yield Ratio(f"{cpu} per token of one stream", "stream-1", "wrk", "cpu_us_per_token", "vllm", 0.8)
    yield Ratio("TTFT p50 of one stream", "stream-1", "client", "ttft_p50", "vllm", 1.0)
    yield from _latencies()


def _latencies() -> Iterator[Ratio]:
    for connections in (64, 256):
        for name, limit in (("ttft_p50", 1.3), ("ttft_p99", 1.5), ("itl_p99", 1.2)):
            what = f"{name.upper().replace('_P', ' p')} at {connections} streams"
            yield Ratio(what, f"stream-{connections}", "client", name, "rust", limit)
    yield Ratio("TTFT p50, prompts of 6,000 tokens", "prompt-6000", "client", "ttft_p50", "rust", 1.0)
    yield Ratio("ITL p99 beside prompts of 6,000 tokens", "beside-6000", "client", "itl_p99", "rust", 1.2)


@dataclass(slots=True)
class Checks:
    """Further measurements of Hearth, one per round."""

    thousand_bad: list[float] = field(default_factory=list)
    """How many of 1,000 streams at once were refused, reset or cut off."""
    thousand_mb: list[float] = field(default_factory=list)
    """The highest peak memory of a web worker after these streams, in MB."""
    restart_seconds: list[float] = field(default_factory=list)
    """Time from SIGHUP under load until a new worker answers."""
    restart_lost: list[float] = field(default_factory=list)
    """How many requests failed during this restart."""
    restart_failures: list[str] = field(default_factory=list)
    """The reasons of these failures."""
    offline: list[float] = field(default_factory=list)
    """Time of the batch command divided by that of Transformers: without the load of the model, and with it."""

    def rows(self) -> list[Row]:
        """Return the lines of the table."""
        return [
            Row("1,000 streams at once: requests that failed", 0, False, _worst(self.thousand_bad)),
            Row("1,000 streams at once: memory of a web worker", 100, False, _worst(self.thousand_mb), "MB"),
            Row("`kill -HUP` under load: until a new worker answers", 1, False, _worst(self.restart_seconds), "s"),
            Row("`kill -HUP` under load: requests lost", 0, False, _worst(self.restart_lost)),
            Row("offline batch: time, relative to Transformers' `generate`", 0.10, False, self.offline[:1]),
            Row(
                "offline batch: time with the load, relative to Transformers' `generate`", 0.10, False, self.offline[1:]
            ),
        ]


def rows(samples: Samples, checks: Checks, absent: dict[str, str]) -> list[Row]:
    """Return the lines of all targets. `samples` are those on the simulated GPU.

    `absent` has the contenders that are not available, with the reason.
    """
    return [*(ratio.row(samples, absent) for ratio in ratios()), *checks.rows()]


def _worst(values: list[float]) -> list[float]:
    """Return the worst round alone: these targets must be met in every round."""
    return [max(values)] if values else []
