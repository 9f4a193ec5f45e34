"""What was measured: one sample for each contender, load, tool and round, and the figures that follow from it."""

import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(slots=True)
class Sample:
    round: int
    contender: str
    load: str
    tool: str
    seconds: float
    requests: int
    tokens: int
    front_cpu: dict[str, float] = field(default_factory=dict)
    """CPU seconds of the front end, by its parts; none where there is no front end."""
    engine_cpu: float | None = None
    client_cpu: float | None = None
    """Of one core, while the load ran: a client near 1 has measured itself."""
    bad: int = 0
    """Requests refused, reset, cut off, or answered with anything but a whole answer."""
    failures: dict[str, int] = field(default_factory=dict)
    """What was wrong with those, where the client has seen it."""
    latency: dict[str, float] = field(default_factory=dict)
    """Milliseconds: ttft_p50, ttft_p99, itl_p50, itl_p99."""

    def figure(self, name: str) -> float | None:
        """A figure by its name; None where it was not measured. CPU: `cpu_us_per_token`, or that of a part of the front
        end, `web_us_per_request`.
        """
        if self.bad:
            return None  # what refuses its work is quick, and proves nothing
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
    """The value that `share` of all are not above (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Samples:
    """All samples of a run."""

    def __init__(self, samples: Iterable[Sample] = ()) -> None:
        self.all = list(samples)

    def by_round(self, contender: str, load: str, tool: str, figure: str) -> dict[int, float]:
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
        """Of two (contender, load), round by round: what is compared was measured minutes apart at most."""
        mine, others = self.by_round(*ours, tool, figure), self.by_round(*theirs, tool, figure)
        return [mine[number] / others[number] for number in sorted(mine.keys() & others.keys()) if others[number]]

    def failed(self) -> list[Sample]:
        return [sample for sample in self.all if sample.bad]
