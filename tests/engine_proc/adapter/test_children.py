"""Deaths of real processes, and how those that wait leave cores to others."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine_proc.adapter.loading import children
from engine_proc.adapter.loading.children import FIRST_NAP, PARENT_VARIABLE, YIELD_VARIABLE, yield_by_sleeping
from schemas.shared.endpoint import PROJECT_ROOT
from tests.engine_proc.helpers import gone
from tests.harness import until

CHAIN = """
import os, subprocess, sys, time
from engine_proc.adapter.loading.children import die_with_parent
depth = int(sys.argv[1])
if depth < 2:
    die_with_parent()
print(os.getpid(), flush=True)
if depth:
    subprocess.Popen([sys.executable, "-c", sys.argv[2], str(depth - 1), sys.argv[2]])
time.sleep(600)
"""

SPAWNING = """
import atexit, multiprocessing, sys
from engine_proc.adapter.loading.children import end_at_once

class Costly:
    def __del__(self):
        print("taken apart", flush=True)

if __name__ == "__mp_main__":
    end_at_once()
    kept = Costly()
    atexit.register(print, "handler")

def work():
    print("work")
    sys.exit(3)

if __name__ == "__main__":
    process = multiprocessing.get_context("spawn").Process(target=work)
    process.start()
    process.join()
    print(process.exitcode)
"""


def python(script: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True)


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


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


def test_a_process_whose_parent_died_before_it_could_ask_the_kernel_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """While Python starts and imports, nothing binds it to its parent."""
    dead = subprocess.Popen(["true"])
    dead.wait()
    zombie = subprocess.Popen(["true"])
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    for parent, status in ((dead.pid, 1), (zombie.pid, 1), (1, 1), (os.getpid(), 0), (0, 0)):
        monkeypatch.setenv(PARENT_VARIABLE, str(parent))
        ask = "import os; from engine_proc.adapter.loading.children import *; die_with_parent()"
        with python(f"{ask}; assert os.environ[PARENT_VARIABLE] == str(os.getpid())") as process:
            assert process.wait(30) == status
    zombie.wait()


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
    monkeypatch.setattr(children, "time", SimpleNamespace(monotonic=lambda: now, sleep=sleep))
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
    """And bounds masks. spawn runs the main module again, under this name."""
    script = (
        "import os, runpy; from engine_proc.adapter.loading import children;"
        "children.bound_masks = lambda: print('bounded');"
        "runpy.run_module('engine_proc.process.model_process', run_name='__mp_main__');"
        "print(os.sched_yield.__module__)"
    )
    for seconds, module in (("0", "posix"), ("0.00005", "engine_proc.adapter.loading.children")):
        environment = {**os.environ, YIELD_VARIABLE: seconds}
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=PROJECT_ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.stdout.split() == ["bounded", module], done.stderr


def test_a_spawned_process_is_not_taken_apart_at_its_end(tmp_path: Path) -> None:
    (tmp_path / "spawning.py").write_text(SPAWNING)
    environment = {**os.environ, "PYTHONPATH": str(PROJECT_ROOT)}
    command = [sys.executable, str(tmp_path / "spawning.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["work", "handler", "3"]
