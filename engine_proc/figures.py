"""What operators watch: how long tokens take, how many there were, how often the prefix cache knew a prompt."""

from bisect import bisect_left
from collections.abc import Iterable

from schemas.wire import Histogram, Stats


def observe(histogram: Histogram, seconds: float, count: int = 1) -> None:
    """`count` times the same value."""
    histogram.counts[bisect_left(histogram.bounds, seconds)] += count
    histogram.total += seconds * count


def empty(bounds: Iterable[float]) -> Histogram:
    bounds = list(bounds)
    return Histogram(bounds=bounds, counts=[0] * (len(bounds) + 1))


def quantile(histogram: Histogram, share: float) -> float | None:
    """The bound that `share` of all values are at or below; infinity above the last one, None where there are none."""
    wanted = share * sum(histogram.counts)
    if not wanted:
        return None
    seen = 0
    for bound, count in zip((*histogram.bounds, float("inf")), histogram.counts, strict=True):
        seen += count
        if seen >= wanted:
            return bound
    raise AssertionError("the counts have changed meanwhile")


class StepTimes:
    """The latencies of one engine step. Most of its tokens follow one of the step before, and so took the same time."""

    def __init__(self, figures: Stats) -> None:
        self._figures = figures
        self._previous = 0.0
        self._now = 0.0
        self._regular = 0

    def begin(self, now: float) -> None:
        self._previous, self._now, self._regular = self._now, now, 0

    def tokens(self, began: float, last: float, count: int) -> float:
        """A sequence that began at `began` has `count` new tokens; its last came at `last` (0: it had none). Returns
        the time of these.
        """
        self._figures.generated_tokens += count
        if last == self._previous and last:
            self._regular += 1
        elif last:
            observe(self._figures.itl, self._now - last)
        else:
            observe(self._figures.ttft, self._now - began)
        return self._now

    def end(self) -> None:
        if self._regular:
            observe(self._figures.itl, self._now - self._previous, self._regular)
