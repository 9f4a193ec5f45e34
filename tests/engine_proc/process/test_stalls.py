"""A step that computes is not taken for one that hangs, and a hang is not waited for longer than before."""

import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from engine_proc.process.stalls import (
    LOAD_SAMPLE_SECONDS,
    LONGEST_STEP,
    LoadStalls,
    Stalls,
    cpu_seconds_of_children,
    work_of_processes,
)
from tests.harness import until

LIMIT = 120.0


class Clock:
    """Time, and what vLLM's processes do: each second they use `share` of a core, and read `rate` bytes."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.used = 50.0
        self.share = 0.0
        self.moved = self.rate = 0

    def idle(self, load: LoadStalls, seconds: int, progress: object = "loading") -> float:
        """Return for how long a load is idle after so many seconds."""
        for _ in range(seconds):
            self.now += 1
            self.used += self.share
            self.moved += self.rate
            idle = load.idle(progress)
        return idle

    def hangs(self, watch: Stalls, seconds: int, *, on_cpu: bool = True) -> int | None:
        """Return after how many of `seconds` without a step the watch has found a hang. None: it has not."""
        for step_seconds in range(seconds):
            self.now += 1
            self.used += self.share
            if watch.hang(step_seconds, on_cpu=on_cpu) > LIMIT:
                return step_seconds
        return None


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    return clock


@pytest.fixture
def watch(clock: Clock) -> Stalls:
    return Stalls(LIMIT, lambda: clock.used)


def test_processes_that_do_nothing_hang(clock: Clock, watch: Stalls) -> None:
    assert clock.hangs(watch, 1000) == LIMIT + 1


def test_processes_that_wait_for_each_other_hang(clock: Clock, watch: Stalls) -> None:
    clock.share = 0.02
    assert clock.hangs(watch, 1000) == LIMIT + 1


@pytest.mark.parametrize("share", [0.2, 1.9])
def test_processes_that_compute_do_not(clock: Clock, watch: Stalls, share: float) -> None:
    clock.share = share
    assert clock.hangs(watch, 900) is None


def test_a_loop_without_an_end_is_found(clock: Clock, watch: Stalls) -> None:
    clock.share = 1.0
    assert clock.hangs(watch, 10_000) == LONGEST_STEP * LIMIT + 1


def test_a_step_that_has_computed_and_then_hangs_is_found(clock: Clock, watch: Stalls) -> None:
    clock.share = 1.0
    assert clock.hangs(watch, 300) is None
    clock.share = 0.0
    for seconds in range(300, 1000):
        clock.now += 1
        if watch.hang(seconds, on_cpu=True) > LIMIT:
            assert seconds - 300 == pytest.approx(LIMIT, abs=2)
            return
    pytest.fail("it was not found")


def test_on_a_gpu_the_time_of_the_step_alone_counts(clock: Clock, watch: Stalls) -> None:
    clock.share = 1.0
    assert clock.hangs(watch, 1000, on_cpu=False) == LIMIT + 1


def test_processes_are_not_looked_at_during_short_steps(clock: Clock) -> None:
    def look() -> float:
        raise AssertionError("each look reads all processes of the host")

    assert Stalls(LIMIT, look).hang(LIMIT / 2 - 1, on_cpu=True) == LIMIT / 2 - 1


@pytest.fixture
def child() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        yield process
        process.kill()


def test_the_time_of_all_children_is_added_up(child: "subprocess.Popen[bytes]") -> None:
    before = cpu_seconds_of_children()
    until(lambda: cpu_seconds_of_children() > before + 0.1, 30, "the child has used the CPU")
    child.kill()
    child.wait()
    time.sleep(0.01)
    assert cpu_seconds_of_children() < before + 0.1


@pytest.fixture
def load(clock: Clock) -> LoadStalls:
    return LoadStalls(lambda: (clock.used, clock.moved))


def test_a_load_that_does_nothing_hangs(clock: Clock, load: LoadStalls) -> None:
    clock.share, clock.rate = 0.01, 500
    assert clock.idle(load, 1000) == pytest.approx(1000, abs=2 * LOAD_SAMPLE_SECONDS)


@pytest.mark.parametrize(("share", "rate"), [(0.1, 0), (0.0, 100_000)])
def test_a_load_that_computes_or_reads_does_not(clock: Clock, load: LoadStalls, share: float, rate: int) -> None:
    clock.share, clock.rate = share, rate
    assert clock.idle(load, 10_000) <= LOAD_SAMPLE_SECONDS


def test_a_load_that_tells_its_progress_does_not(clock: Clock, load: LoadStalls) -> None:
    """As a slow download: what is received from a socket is in no process's count."""
    for share in range(100):
        assert clock.idle(load, 60, ("downloading", share)) < 60
    assert clock.idle(load, 600, ("downloading", share)) >= 600


def test_the_time_of_a_suspended_host_is_no_time_of_a_load(clock: Clock, load: LoadStalls) -> None:
    clock.idle(load, 100)
    clock.now += 10_000
    assert clock.idle(load, 5) < 10


def test_a_process_that_is_stopped_does_nothing(child: "subprocess.Popen[bytes]") -> None:
    before = work_of_processes()
    until(lambda: work_of_processes()[0] > before[0] + 0.1, 30, "the child has used the CPU")
    psutil.Process(child.pid).suspend()
    until(lambda: psutil.Process(child.pid).status() == psutil.STATUS_STOPPED, 10, "the child is stopped")
    own = psutil.Process().cpu_times()
    before = work_of_processes()
    time.sleep(0.5)
    used, own_after = work_of_processes()[0] - before[0], psutil.Process().cpu_times()
    assert used - (own_after.user + own_after.system - own.user - own.system) < 0.1
