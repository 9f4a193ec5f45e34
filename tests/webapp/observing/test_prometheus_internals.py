"""What Hearth assumes of prometheus_client's internals. A failure says what a new release has moved."""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, values
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

from webapp.observing.metrics_files import DIRECTORY

COUNT = """
from prometheus_client import Counter, Gauge, Histogram
Counter("counted", "").inc()
Gauge("live", "", multiprocess_mode="livesum").inc()
Histogram("took", "").observe(1)
"""


def test_a_metric_takes_the_value_class_of_the_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    class Value(values.MutexValue):
        def __init__(self, kind: str, *arguments: object, **options: object) -> None:
            super().__init__(kind, *arguments, **options)  # type: ignore[no-untyped-call]
            made.append(kind)

    monkeypatch.setattr(values, "ValueClass", Value)
    Counter("counted", "", registry=CollectorRegistry())
    assert made == ["counter"], (
        "prometheus_client's metrics no longer take the class of their values from prometheus_client.values.ValueClass "
        "when they are made, so webapp/observing/metrics.py cannot have a worker count in files."
    )


def test_the_directory_decides_the_value_class_when_it_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = []
    for directory in (None, str(tmp_path)):
        monkeypatch.delenv(DIRECTORY, raising=False)
        if directory:
            monkeypatch.setenv(DIRECTORY, directory)
        found.append(values.get_value_class()._multiprocess)  # type: ignore[no-untyped-call]
    assert found == [False, True], (
        f"prometheus_client.values.get_value_class() no longer looks for {DIRECTORY} when it is called: "
        "see webapp/observing/metrics.py."
    )


def test_a_worker_has_a_file_for_each_kind_of_metric(tmp_path: Path) -> None:
    environment = {**os.environ, DIRECTORY: str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", COUNT], env=environment) as child:
        assert child.wait(60) == 0
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"{kind}_{child.pid}.db" for kind in ("counter", "gauge_livesum", "histogram")], (
        "prometheus_client no longer names a process's files <kind>_<pid>.db, gauges with their mode: "
        "see retire in webapp/observing/metrics_files.py."
    )


def test_a_file_is_read_and_written_by_key(tmp_path: Path) -> None:
    path = str(tmp_path / "counter_1.db")
    written = MmapedDict(path)  # type: ignore[no-untyped-call]
    before = written.read_value("key")  # type: ignore[no-untyped-call]
    written.write_value("key", 2.5, 7.0)  # type: ignore[no-untyped-call]
    after = written.read_value("key")  # type: ignore[no-untyped-call]
    written.close()  # type: ignore[no-untyped-call]
    rows = [row[:3] for row in MmapedDict.read_all_values_from_file(path)]  # type: ignore[no-untyped-call]
    assert (before, after, rows) == ((0.0, 0.0), (2.5, 7.0), [("key", 2.5, 7.0)]), (
        "prometheus_client's MmapedDict no longer reads and writes a value and its timestamp by key: "
        "see _add in webapp/observing/metrics_files.py."
    )


def test_a_file_has_the_format_that_is_checked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(DIRECTORY, str(tmp_path))
    monkeypatch.setattr(values, "ValueClass", values.MultiProcessValue(lambda: 1))  # type: ignore[no-untyped-call]
    Counter("counted", "How many.", ["path"], registry=CollectorRegistry()).labels("/x").inc(3)
    data = (tmp_path / "counter_1.db").read_bytes()
    used, length = struct.unpack_from("i", data)[0], struct.unpack_from("i", data, 8)[0]
    numbers = 12 + length + 8 - (length + 4) % 8
    found = json.loads(data[12 : 12 + length]), struct.unpack_from("dd", data, numbers), used - numbers
    assert found == (["counted", "counted_total", {"path": "/x"}, "How many."], (3.0, 0.0), 16), (
        "prometheus_client's files are no longer their used bytes, 4 bytes of padding, and entries of a length, a key "
        "in JSON padded to 8 bytes, and two doubles: see is_sound in webapp/observing/metrics_files.py."
    )


def test_the_files_of_all_processes_are_merged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(DIRECTORY, str(tmp_path))
    for pid, count in ((0, 1), (1234, 2)):
        monkeypatch.setattr(values, "ValueClass", values.MultiProcessValue(lambda pid=pid: pid))  # type: ignore[no-untyped-call]
        Counter("counted", "", registry=CollectorRegistry()).inc(count)
    files = [str(path) for path in tmp_path.iterdir()]
    (metric,) = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
    assert [sample.value for sample in metric.samples] == [3], (
        "prometheus_client's MultiProcessCollector.merge no longer adds up the counters of all files, those of pid 0 "
        "among them, under which webapp/observing/metrics_files.py keeps the counts of workers that have exited."
    )


def test_a_histogram_keeps_its_sum_buckets_and_bounds() -> None:
    histogram = Histogram("took", "", buckets=[0.5, 1.0], registry=CollectorRegistry())
    histogram.observe(0.75)
    kept = (
        histogram._upper_bounds,
        [bucket.get() for bucket in histogram._buckets],
        histogram._sum.get(),
    )
    assert kept == ([0.5, 1.0, float("inf")], [0, 1, 0], 0.75), (
        "prometheus_client's Histogram no longer keeps one value for each of its _upper_bounds in _buckets, and _sum: "
        "see observe in engine_proc/adapter/observing/histograms.py."
    )
