"""Latencies counted a step at a time."""

import pytest

from engine_proc.figures import StepTimes, empty, observe, quantile
from schemas.wire import Stats

BOUNDS = [0.1, 1.0, 10.0]


@pytest.fixture
def figures() -> Stats:
    return Stats(ttft=empty(BOUNDS), itl=empty(BOUNDS))


def test_a_value_counts_at_the_first_bound_that_holds_it() -> None:
    histogram = empty(BOUNDS)
    for value in (0.05, 0.1, 0.11, 10.0, 11.0):
        observe(histogram, value)
    observe(histogram, 0.5, 3)
    assert histogram.counts == [2, 4, 1, 1]
    assert histogram.total == pytest.approx(0.05 + 0.1 + 0.11 + 10 + 11 + 1.5)


@pytest.mark.parametrize(("share", "bound"), [(0.1, 0.1), (0.5, 1.0), (0.9, 10.0), (1.0, float("inf"))])
def test_a_quantile_is_a_bound(share: float, bound: float) -> None:
    histogram = empty(BOUNDS)
    histogram.counts = [20, 40, 35, 5]
    assert quantile(histogram, share) == bound


def test_nothing_has_no_quantile() -> None:
    assert quantile(empty(BOUNDS), 0.5) is None


def test_first_tokens_and_those_that_follow(figures: Stats) -> None:
    times = StepTimes(figures)
    times.begin(100.0)
    early = times.tokens(99.5, 0.0, 1)
    times.end()
    times.begin(100.05)
    early = times.tokens(99.5, early, 1)
    late = times.tokens(95.0, 0.0, 2)
    times.end()
    times.begin(100.55)
    late = times.tokens(95.0, late, 1)
    times.end()
    times.begin(102.55)
    times.tokens(99.5, early, 1)
    times.tokens(95.0, late, 1)
    times.end()

    assert figures.generated_tokens == 7
    assert figures.ttft.counts == [0, 1, 1, 0]
    assert figures.itl.counts == [1, 1, 2, 0], "0.05, 0.5, 2.5 and 2 s"
    assert figures.itl.total == pytest.approx(0.05 + 0.5 + 2.5 + 2.0)
