"""Prometheus's samples as histograms."""

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client import Histogram as Prometheus

from engine_proc.adapter.observing.histograms import Gathered, histogram
from engine_proc.commands.status import quantile
from schemas.wire import Histogram

BOUNDS = [0.1, 1.0, 10.0]


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


@pytest.mark.parametrize(("share", "bound"), [(0.1, 0.1), (0.5, 1.0), (0.9, 10.0), (1.0, float("inf"))])
def test_a_quantile_is_a_bound(share: float, bound: float) -> None:
    assert quantile(Histogram(BOUNDS, [20, 40, 35, 5]), share) == bound


def test_nothing_has_no_quantile() -> None:
    assert quantile(Histogram(BOUNDS, [0, 0, 0, 0]), 0.5) is None
