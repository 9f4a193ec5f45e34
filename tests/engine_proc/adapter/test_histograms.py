"""Prometheus's samples as histograms."""

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client import Histogram as Prometheus

from engine_proc.adapter.observing.histograms import histogram, observe
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


@pytest.mark.parametrize("value", [0.05, 0.1, 0.5, 10.0, 11.0])
def test_many_at_once_count_as_one_by_one(value: float) -> None:
    at_once, one_by_one = (Prometheus(name, "", buckets=BOUNDS, registry=CollectorRegistry()) for name in "ab")
    observe(at_once, value, 3)
    for _ in range(3):
        one_by_one.observe(value)
    found, expected = (histogram(metric.samples) for one in (at_once, one_by_one) for metric in one.collect())
    assert found.counts == expected.counts
    assert found.total == pytest.approx(expected.total)


@pytest.mark.parametrize(("share", "bound"), [(0.1, 0.1), (0.5, 1.0), (0.9, 10.0), (1.0, float("inf"))])
def test_a_quantile_is_a_bound(share: float, bound: float) -> None:
    assert quantile(Histogram(BOUNDS, [20, 40, 35, 5]), share) == bound


def test_nothing_has_no_quantile() -> None:
    assert quantile(Histogram(BOUNDS, [0, 0, 0, 0]), 0.5) is None
