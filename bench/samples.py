"""The measurements: one sample per contender, load, tool and round, and the figures computed from it."""

import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(slots=True)
class Sample:
    """One measurement of one load."""

    round: int
    contender: str
    load: str
    tool: str
    seconds: float
    requests: int
    tokens: int
    front_cpu: dict[str, float] = field(default_factory=dict)
    """CPU seconds of the front end, by its parts. Empty: the contender has no front end."""
    engine_cpu: float | None = None
    """CPU seconds of the engine. None: not measured."""
    client_cpu: float | None = None
    """Share of one core that the client used. Near 1, the client and not the server was the limit."""
    bad: int = 0
    """Requests without a complete answer: refused, reset, cut off, or failed."""
    failures: dict[str, int] = field(default_factory=dict)
    """Reasons of bad requests with their counts, as far as known."""
    latency: dict[str, float] = field(default_factory=dict)
    """Milliseconds: ttft_p50, ttft_p99, itl_p50, itl_p99."""

    def figure(self, name: str) -> float | None:
        """Return a figure by name. None: not measured, or the sample has bad requests.

        CPU figures are `cpu_us_per_token`, or those of one part of the front end, as `web_us_per_request`.
        """
        if self.bad:
            return None  # a server that refuses requests is fast for the wrong reason
        if name == "requests_per_s":
            return self.requests / self.seconds
        if name == "tokens_per_s":
            return self.tokens / self.seconds
        part, _, per = name.partition("_us_per_")
        if per:
            seconds = sum(self.front_cpu.values()) if part == "cpu" else self.front_cpu.get(part)
            return 1e6 * seconds / (self.tokens if per == "token" else self.requests) if seconds else None
        return self.latency.get(name)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


LATENCIES = ["ttft_p50", "ttft_p99", "itl_p50", "itl_p99"]


def percentile(values: Iterable[float], share: float) -> float:
    """Return the lowest value that `share` (0 to 1) of all values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Samples:
    """All samples of a run."""

    def __init__(self, samples: Iterable[Sample] = ()) -> None:
        self.all = list(samples)

    def by_round(self, contender: str, load: str, tool: str, figure: str) -> dict[int, float]:
        """Return a figure by round, for the rounds in which it was measured."""
        values = {
            sample.round: sample.figure(figure)
            for sample in self.all
            if (sample.contender, sample.load, sample.tool) == (contender, load, tool)
        }
        return {number: value for number, value in values.items() if value is not None}

    def median(self, contender: str, load: str, tool: str, figure: str) -> float | None:
        values = self.by_round(contender, load, tool, figure)
        return statistics.median(values.values()) if values else None

    def ratios(self, ours: tuple[str, str], theirs: tuple[str, str], tool: str, figure: str) -> list[float]:
        """Return the ratios of two (contender, load) in each round, so that only close measurements are compared."""
        mine, others = self.by_round(*ours, tool, figure), self.by_round(*theirs, tool, figure)
        return [mine[number] / others[number] for number in sorted(mine.keys() & others.keys()) if others[number]]

    def failed(self) -> list[Sample]:
        """Return the samples with bad requests."""
        return [sample for sample in self.all if sample.bad]
