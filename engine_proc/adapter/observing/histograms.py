"""Prometheus histograms: conversion to the wire's `Histogram`, and many observations at once."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

from prometheus_client import Histogram as PrometheusHistogram
from prometheus_client.samples import Sample

from schemas.wire import Histogram


def histogram(samples: Iterable[Sample]) -> Histogram:
    """Return the sum of the histograms among Prometheus's samples, whose buckets are cumulative."""
    up_to: Counter[float] = Counter()
    total = 0.0
    for sample in samples:
        if sample.name.endswith("_bucket"):
            up_to[float(sample.labels["le"])] += int(sample.value)
        elif sample.name.endswith("_sum"):
            total += sample.value
    bounds = sorted(up_to)
    cumulative = [up_to[bound] for bound in bounds]
    counts = [more - less for less, more in pairwise([0, *cumulative])]
    return Histogram(bounds=bounds[:-1], counts=counts, total=total)


class Gathered:
    """Takes the place of a Prometheus histogram, and adds the observations to it later, all at once.

    Prometheus takes two locks for each observation, and searches the buckets one by one.
    """

    def __init__(self, histogram: PrometheusHistogram) -> None:
        self._histogram = histogram
        self._bounds: list[float] = histogram._upper_bounds
        self._counts = [0] * len(self._bounds)
        self._total = 0.0

    def observe(self, value: float, count: int = 1) -> None:
        """Observe `value`, `count` times."""
        self._counts[bisect_left(self._bounds, value)] += count
        self._total += value * count

    def add(self) -> None:
        """Add what has been observed since the last call to the Prometheus histogram."""
        if not any(self._counts):
            return
        counts, self._counts = self._counts, [0] * len(self._bounds)
        total, self._total = self._total, 0.0
        self._histogram._sum.inc(total)
        for bucket, count in zip(self._histogram._buckets, counts, strict=True):
            if count:
                bucket.inc(count)
