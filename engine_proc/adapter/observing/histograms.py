"""Prometheus's histograms: read as the wire has them, and counted in bulk."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

from prometheus_client import Histogram as PrometheusHistogram
from prometheus_client.samples import Sample

from schemas.wire import Histogram


def histogram(samples: Iterable[Sample]) -> Histogram:
    """Of Prometheus's samples, whose buckets count all values up to their bound; several engines' are added up."""
    upto: Counter[float] = Counter()
    total = 0.0
    for sample in samples:
        if sample.name.endswith("_bucket"):
            upto[float(sample.labels["le"])] += int(sample.value)
        elif sample.name.endswith("_sum"):
            total += sample.value
    bounds = sorted(upto)
    cumulative = [upto[bound] for bound in bounds]
    counts = [more - less for less, more in pairwise([0, *cumulative])]
    return Histogram(bounds=bounds[:-1], counts=counts, total=total)


def observe(histogram: PrometheusHistogram, value: float, count: int) -> None:
    """`histogram.observe(value)`, `count` times over."""
    histogram._sum.inc(value * count)
    histogram._buckets[bisect_left(histogram._upper_bounds, value)].inc(count)
