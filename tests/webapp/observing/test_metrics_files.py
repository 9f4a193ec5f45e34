"""The counts of workers that have ended stay, and their files do not."""

import random
import shutil
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.webapp.observing.forking import Master
from webapp.observing import metrics_files

COUNT = """
from webapp.observing import metrics
metrics.REQUESTS.labels("/x", "200").inc({})
metrics.DURATION.labels("/x").observe(0.3)
metrics.LIVE.inc()
"""
READ = """
from webapp.observing import metrics
print(metrics.text(metrics.EngineFigures("gone", None, None)).decode())
"""


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Master]:
    master = Master(tmp_path_factory.mktemp("master"))
    yield master
    master.end()


class Counted:
    """A directory in which workers count."""

    def __init__(self, master: Master, path: Path) -> None:
        self._master = master
        self.path = path

    def count(self, times: int) -> int:
        """Have a worker count, and end. Returns its pid."""
        return self._master.run(self.path, COUNT.format(times))[1]

    def value(self, series: str) -> float:
        """What a worker answers to a request for the metrics."""
        output, pid = self._master.run(self.path, READ)
        metrics_files.retire(self.path, pid)
        (found,) = [line.rpartition(" ")[2] for line in output.splitlines() if line.startswith(series + " ")]
        return float(found)


@pytest.fixture
def counted(master: Master, tmp_path: Path) -> Counted:
    metrics_files.clear(tmp_path)
    return Counted(master, tmp_path)


def test_workers_count_together_and_go_on_doing_so_when_they_have_ended(counted: Counted) -> None:
    for times in (1, 2, 3):
        pid = counted.count(times)
        if times > 1:
            metrics_files.retire(counted.path, pid)
    assert counted.value('hearth_http_requests_total{path="/x",status="200"}') == 6
    assert counted.value('hearth_request_duration_seconds_count{path="/x"}') == 3
    assert counted.value('hearth_request_duration_seconds_bucket{le="0.25",path="/x"}') == 0
    assert counted.value('hearth_request_duration_seconds_bucket{le="0.5",path="/x"}') == 3
    assert counted.value("hearth_requests_live") == 1, "what has ended has nothing live"


def test_the_number_of_files_does_not_grow(counted: Counted) -> None:
    for _ in range(3):
        pid = counted.count(1)
        metrics_files.retire(counted.path, pid)
    assert sorted(path.name for path in counted.path.iterdir()) == ["counter_0.db", "histogram_0.db", "lock"]


def test_whoever_reads_waits_for_an_ending(counted: Counted) -> None:
    pid = counted.count(1)
    with metrics_files.locked(counted.path):
        ending = threading.Thread(target=metrics_files.retire, args=(counted.path, pid))
        ending.start()
        ending.join(0.2)
        assert ending.is_alive()
        assert (counted.path / f"counter_{pid}.db").exists()
    ending.join(10)
    assert not (counted.path / f"counter_{pid}.db").exists()


def test_a_new_web_tier_begins_anew(counted: Counted) -> None:
    counted.count(1)
    metrics_files.clear(counted.path)
    assert not list(counted.path.glob("*.db"))


# ---- files that cannot be read ------------------------------------------------------------------------------------

ENTRY = struct.Struct("<i4xi")
SPOILT = {
    "empty": b"",
    "one byte": b"\x01",
    "longer than it is": struct.pack("<i", 10**6),
    "negative": struct.pack("<i", -5) + bytes(60),
    "a key that goes backwards": ENTRY.pack(64, -8) + bytes(52),
    "a key of no length": ENTRY.pack(64, 0) + bytes(52),
    "a key beyond the end": ENTRY.pack(64, 60) + bytes(52),
    "a key that is no JSON": ENTRY.pack(64, 4) + b"abcd" + bytes(48),
    "a key that names nothing": ENTRY.pack(64, 4) + b"null" + bytes(48),
    "noise": random.Random(7).randbytes(4096),
    "small noise": struct.pack("<i", 64) + random.Random(8).randbytes(124),
}


@pytest.mark.parametrize("content", SPOILT.values(), ids=SPOILT)
def test_a_spoilt_file_of_a_killed_worker_costs_its_own_counts_alone(counted: Counted, content: bytes) -> None:
    pid = counted.count(2)
    (counted.path / "counter_4194305.db").write_bytes(content)
    (counted.path / "gauge_livesum_4194305.db").write_bytes(content)
    series = 'hearth_http_requests_total{path="/x",status="200"}'
    assert counted.value(series) == 2

    metrics_files.retire(counted.path, 4194305)
    metrics_files.retire(counted.path, pid)
    assert counted.value(series) == 2
    assert not list(counted.path.glob("*4194305*"))


def test_spoilt_sums_begin_anew(counted: Counted) -> None:
    pid = counted.count(2)
    (counted.path / "counter_0.db").write_bytes(SPOILT["noise"])
    metrics_files.retire(counted.path, pid)
    assert counted.value('hearth_http_requests_total{path="/x",status="200"}') == 2


def test_a_directory_that_was_removed_comes_back(counted: Counted) -> None:
    shutil.rmtree(counted.path)
    metrics_files.retire(counted.path, 4194305)
    counted.count(1)
    assert counted.value('hearth_http_requests_total{path="/x",status="200"}') == 1
