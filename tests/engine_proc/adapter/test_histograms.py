"""Prometheus's samples as histograms."""

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client import Histogram as Prometheus

from engine_proc.adapter.observing.histograms import Gathered, histogram
from engine_proc.commands.status import quantile
from schemas.wire import Histogram

BOUNDS = [0.1, 1.0, 10.0]
QUANTILES: list[tuple[list[int], float, float | None]] = [
    ([20, 40, 35, 5], 0.1, 0.05),
    ([20, 40, 35, 5], 0.2, 0.1),
    ([20, 40, 35, 5], 0.5, 0.775),
    ([20, 40, 35, 5], 0.95, 10.0),
    ([20, 40, 35, 5], 0.99, 10.0),
    ([0, 0, 4, 0], 0.5, 5.5),
    ([3, 0, 0, 1], 0.75, 0.1),
    ([0, 0, 0, 7], 0.5, 10.0),
    ([0, 0, 0, 0], 0.5, None),
]
"""Counts, a share and the value that Prometheus's `histogram_quantile` has for them."""


def test_each_value_counts_once_and_over_all_engines() -> None:
    latency = Prometheus("latency", "", ["engine"], buckets=BOUNDS, registry=CollectorRegistry())
    for value in (0.05, 0.1, 0.11, 10.0, 11.0):
        latency.labels("0").observe(value)
    latency.labels("1").observe(0.5)
    (metric,) = latency.collect()
    found = histogram(metric.samples)
    assert (found.bounds, found.counts) == (BOUNDS, [2, 2, 1, 1])
    assert found.total == pytest.approx(0.05 + 0.1 + 0.11 + 10 + 11 + 0.5)


def test_gathered_observations_count_as_one_by_one() -> None:
    prometheus, one_by_one = (Prometheus(name, "", buckets=BOUNDS, registry=CollectorRegistry()) for name in "ab")
    gathered = Gathered(prometheus)
    for value, count in ((0.05, 1), (0.1, 3), (0.5, 2), (10.0, 1), (11.0, 4)):
        gathered.observe(value, count)
        for _ in range(count):
            one_by_one.observe(value)
        if value == 0.5:
            gathered.add()
    gathered.add()
    gathered.add()  # what has been added is not added again
    found, expected = (histogram(metric.samples) for one in (prometheus, one_by_one) for metric in one.collect())
    assert found.counts == expected.counts
    assert found.total == pytest.approx(expected.total)


@pytest.mark.parametrize(("counts", "share", "value"), QUANTILES)
def test_a_quantile_is_that_of_prometheus(counts: list[int], share: float, value: float | None) -> None:
    assert quantile(Histogram(BOUNDS, counts), share) == (None if value is None else pytest.approx(value))
