"""What Hearth is held to, and how a run has fared. Every value is computed from the samples."""

import statistics
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.samples import LATENCIES, Samples

NAMES = {"hearth": "Hearth", "vllm": "`vllm serve`", "rust": "vLLM's Rust front end", "engine": "the engine alone"}


@dataclass(slots=True)
class Row:
    """One line of the table of targets."""

    what: str
    limit: float
    at_least: bool
    """Whether more is better."""
    values: list[float] = field(default_factory=list)
    """One a round; their median counts."""
    unit: str = ""
    why_not: str = ""
    """Why there is no value."""

    @property
    def value(self) -> float | None:
        return statistics.median(self.values) if self.values else None

    @property
    def met(self) -> bool | None:
        if self.value is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    @property
    def verdict(self) -> str:
        if self.met is None:
            return "not measured" + (f": {self.why_not}" if self.why_not else "")
        return "met" if self.met else "**not met**"

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "value": self.value, "met": self.met}


@dataclass(frozen=True, slots=True)
class Ratio:
    """A target on Hearth's figure, divided by another's (or by its own at another load)."""

    what: str
    load: str
    tool: str
    figure: str
    against: str
    limit: float
    at_least: bool = False
    against_load: str = ""

    def row(self, samples: Samples, absent: dict[str, str]) -> Row:
        theirs = (self.against, self.against_load or self.load)
        values = samples.ratios(("hearth", self.load), theirs, self.tool, self.figure)
        whom = f"itself at {self.against_load}" if self.against_load else NAMES[self.against]
        return Row(f"{self.what}, to {whom}", self.limit, self.at_least, values, "", absent.get(self.against, ""))


def ratios() -> Iterator[Ratio]:
    streamed = "streamed throughput at 64 connections"
    for against, limit in (("vllm", 1.25), ("rust", 0.97), ("engine", 0.95)):
        yield Ratio(streamed, "stream-64", "wrk", "tokens_per_s", against, limit, at_least=True)
    cpu = "front-end CPU per token"
    yield Ratio(f"{cpu}, streamed at 64", "stream-64", "wrk", "cpu_us_per_token", "vllm", 0.40)
    yield Ratio("throughput not streamed at 64", "whole-64", "wrk", "tokens_per_s", "vllm", 1.05, at_least=True)
    yield Ratio(f"{cpu}, not streamed at 64", "whole-64", "wrk", "cpu_us_per_token", "vllm", 0.6)
    yield Ratio("requests/s at `max_tokens` 1", "one-token", "wrk", "requests_per_s", "vllm", 1.4, at_least=True)
    for connections in (64, 256):
        for name in LATENCIES:
            kind, _, share = name.upper().partition("_")
            what = f"{kind} {share.lower()} at {connections} connections"
            yield Ratio(what, f"stream-{connections}", "client", name, "vllm", 1.0)
    yield Ratio(
        f"{cpu}, streamed at 256", "stream-256", "wrk", "cpu_us_per_token", "hearth", 1.05, against_load="stream-64"
    )


@dataclass(slots=True)
class Checks:
    """What is measured of Hearth beside the loads, once a round."""

    thousand_bad: list[float] = field(default_factory=list)
    """Of 1,000 streams at once: those refused, reset or cut off."""
    thousand_mb: list[float] = field(default_factory=list)
    """The most memory of any web worker after that."""
    restart_seconds: list[float] = field(default_factory=list)
    restart_lost: list[float] = field(default_factory=list)
    restart_failures: list[str] = field(default_factory=list)
    """What was wrong with those."""
    offline: list[float] = field(default_factory=list)
    """Time of the batch command to that of Transformers, without and then with the loading of the model."""

    def rows(self) -> list[Row]:
        return [
            Row("1,000 streams at once: requests that failed", 0, False, _worst(self.thousand_bad)),
            Row("1,000 streams at once: memory of a web worker", 150, False, _worst(self.thousand_mb), "MB"),
            Row("`kill -HUP` under load: until a new worker answers", 1, False, _worst(self.restart_seconds), "s"),
            Row("`kill -HUP` under load: requests lost", 0, False, _worst(self.restart_lost)),
            Row("offline batch, time to Transformers' `generate`", 0.10, False, self.offline[:1]),
            Row("the same with the loading of the model", 0.10, False, self.offline[1:]),
        ]


def rows(samples: Samples, checks: Checks, absent: dict[str, str]) -> list[Row]:
    """All targets. `absent`: contenders that could not be had, and why."""
    return [*(ratio.row(samples, absent) for ratio in ratios()), *checks.rows()]


def _worst(values: list[float]) -> list[float]:
    """These are promises, not averages."""
    return [max(values)] if values else []
