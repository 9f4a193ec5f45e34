"""Locks and deaths of real processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine_proc import processes
from engine_proc.processes import FIRST_NAP, YIELD_VARIABLE, lock_holder, take_lock, yield_by_sleeping
from schemas.shared.endpoint import PROJECT_ROOT
from tests.engine_proc.helpers import gone
from tests.harness import until

HOLDER = """
import sys, time
from pathlib import Path
from engine_proc.processes import take_lock
lock = take_lock(Path(sys.argv[1]))
print("taken" if lock else "refused", flush=True)
time.sleep(600 if lock else 0)
"""

CHAIN = """
import os, subprocess, sys, time
from engine_proc.processes import die_with_parent
depth = int(sys.argv[1])
if depth < 2:
    die_with_parent()
print(os.getpid(), flush=True)
if depth:
    subprocess.Popen([sys.executable, "-c", sys.argv[2], str(depth - 1), sys.argv[2]])
time.sleep(600)
"""


def python(script: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True)


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.fixture
def lock_file(tmp_path: Path) -> Path:
    return tmp_path / "engine.lock"


@pytest.fixture
def holder(lock_file: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process, which holds the lock."""
    with python(HOLDER, str(lock_file)) as process:
        assert line(process) == "taken"
        yield process
        process.kill()


def test_nobody_holds_a_lock_that_was_never_taken(lock_file: Path) -> None:
    assert lock_holder(lock_file) is None
    assert not lock_file.exists()


def test_the_holder_is_this_process_until_the_file_is_closed(lock_file: Path) -> None:
    lock = take_lock(lock_file)
    assert lock is not None
    with lock:
        assert lock_holder(lock_file) == os.getpid()
    assert lock_holder(lock_file) is None


def test_one_process_holds_it_and_the_others_learn_which(lock_file: Path, holder: subprocess.Popen[str]) -> None:
    assert take_lock(lock_file) is None
    with python(HOLDER, str(lock_file)) as late:
        assert line(late) == "refused"
    assert lock_holder(lock_file) == holder.pid


def test_asking_who_holds_it_does_not_take_it(lock_file: Path) -> None:
    lock_file.touch()
    assert lock_holder(lock_file) is None
    with ExitStack() as stack:
        lock = take_lock(lock_file)
        assert lock is not None
        stack.enter_context(lock)


def test_kill_releases_it(lock_file: Path, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert lock_holder(lock_file) is None
    lock = take_lock(lock_file)
    assert lock is not None
    with lock:
        assert lock_holder(lock_file) == os.getpid(), "the pid of the dead holder is still in it"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["KILL", "TERM"])
def test_a_chain_of_processes_dies_with_its_head(number: signal.Signals) -> None:
    with python(CHAIN, "2", CHAIN) as head:
        pids = [int(line(head)) for _ in range(3)]
        try:
            assert pids[0] == head.pid
            assert not any(gone(pid) for pid in pids)
            head.send_signal(number)
            until(lambda: all(gone(pid) for pid in pids), 5, "child and grandchild are gone")
        finally:
            for pid in pids:
                if not gone(pid):
                    os.kill(pid, signal.SIGKILL)


def test_a_grandchild_dies_when_its_own_parent_is_killed() -> None:
    with python(CHAIN, "2", CHAIN) as head:
        pids = [int(line(head)) for _ in range(3)]
        os.kill(pids[1], signal.SIGKILL)
        until(lambda: gone(pids[2]), 5, "the grandchild is gone")
        assert not gone(head.pid)
        head.kill()


def test_vllms_processes_sleep_where_they_would_spin(monkeypatch: pytest.MonkeyPatch) -> None:
    from vllm.distributed.utils import sched_yield

    now = 100.0
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        nonlocal now
        slept.append(seconds)
        now += seconds

    monkeypatch.setattr(os, "sched_yield", os.sched_yield)  # puts it back
    monkeypatch.setattr(processes, "time", SimpleNamespace(monotonic=lambda: now, sleep=sleep))
    monkeypatch.setenv(YIELD_VARIABLE, "0")
    yield_by_sleeping()
    sched_yield()
    assert not slept
    monkeypatch.setenv(YIELD_VARIABLE, "0.0002")
    yield_by_sleeping()
    for _ in range(200):
        sched_yield()
    assert slept == sorted(slept)
    assert (slept[0], slept[-1]) == (FIRST_NAP, 0.0002)
    assert sum(nap < 0.0002 for nap in slept) > 50, "they grow by and by"
    now += 0.001  # it works
    sched_yield()
    assert slept[-1] == FIRST_NAP


def test_the_process_that_vllm_spawns_does_so_before_anything_else() -> None:
    """spawn runs the main module again, under this name."""
    script = (
        "import os, runpy; runpy.run_module('engine_proc.model_process', run_name='__mp_main__');"
        "print(os.sched_yield.__module__)"
    )
    for seconds, module in (("0", "posix"), ("0.00005", "engine_proc.processes")):
        environment = {**os.environ, YIELD_VARIABLE: seconds}
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=PROJECT_ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.stdout.strip() == module, done.stderr
