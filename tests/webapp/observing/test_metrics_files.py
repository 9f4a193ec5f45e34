"""The counts of workers that have ended stay, and their files do not."""

import os
import random
import shutil
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest

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


def python(directory: Path, program: str) -> tuple[str, int]:
    """Run `program` as a worker whose counts are in `directory`; its output, and the pid that it had."""
    environment = {**os.environ, metrics_files.DIRECTORY: str(directory)}
    child = subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True)
    output, _ = child.communicate(timeout=60)
    assert child.returncode == 0
    return output, child.pid


def value(directory: Path, series: str) -> float:
    output, pid = python(directory, READ)
    metrics_files.retire(directory, pid)
    (found,) = [line.rpartition(" ")[2] for line in output.splitlines() if line.startswith(series + " ")]
    return float(found)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    metrics_files.clear(tmp_path)
    return tmp_path


def test_workers_count_together_and_go_on_doing_so_when_they_have_ended(directory: Path) -> None:
    for times in (1, 2, 3):
        _, pid = python(directory, COUNT.format(times))
        if times > 1:
            metrics_files.retire(directory, pid)
    assert value(directory, 'hearth_http_requests_total{path="/x",status="200"}') == 6
    assert value(directory, 'hearth_request_duration_seconds_count{path="/x"}') == 3
    assert value(directory, 'hearth_request_duration_seconds_bucket{le="0.25",path="/x"}') == 0
    assert value(directory, 'hearth_request_duration_seconds_bucket{le="0.5",path="/x"}') == 3
    assert value(directory, "hearth_requests_live") == 1, "what has ended has nothing live"


def test_the_number_of_files_does_not_grow(directory: Path) -> None:
    for _ in range(3):
        _, pid = python(directory, COUNT.format(1))
        metrics_files.retire(directory, pid)
    assert sorted(path.name for path in directory.iterdir()) == ["counter_0.db", "histogram_0.db", "lock"]


def test_whoever_reads_waits_for_an_ending(directory: Path) -> None:
    _, pid = python(directory, COUNT.format(1))
    with metrics_files.locked(directory):
        ending = threading.Thread(target=metrics_files.retire, args=(directory, pid))
        ending.start()
        ending.join(0.2)
        assert ending.is_alive()
        assert (directory / f"counter_{pid}.db").exists()
    ending.join(10)
    assert not (directory / f"counter_{pid}.db").exists()


def test_a_new_web_tier_begins_anew(directory: Path) -> None:
    python(directory, COUNT.format(1))
    metrics_files.clear(directory)
    assert not list(directory.glob("*.db"))


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
def test_a_spoilt_file_of_a_killed_worker_costs_its_own_counts_alone(directory: Path, content: bytes) -> None:
    _, pid = python(directory, COUNT.format(2))
    (directory / "counter_4194305.db").write_bytes(content)
    (directory / "gauge_livesum_4194305.db").write_bytes(content)
    series = 'hearth_http_requests_total{path="/x",status="200"}'
    assert value(directory, series) == 2

    metrics_files.retire(directory, 4194305)
    metrics_files.retire(directory, pid)
    assert value(directory, series) == 2
    assert not list(directory.glob("*4194305*"))


def test_spoilt_sums_begin_anew(directory: Path) -> None:
    _, pid = python(directory, COUNT.format(2))
    (directory / "counter_0.db").write_bytes(SPOILT["noise"])
    metrics_files.retire(directory, pid)
    assert value(directory, 'hearth_http_requests_total{path="/x",status="200"}') == 2


def test_a_directory_that_was_removed_comes_back(directory: Path) -> None:
    shutil.rmtree(directory)
    metrics_files.retire(directory, 4194305)
    python(directory, COUNT.format(1))
    assert value(directory, 'hearth_http_requests_total{path="/x",status="200"}') == 1
