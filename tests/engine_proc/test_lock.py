"""The lock of real processes."""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path

import pytest

from engine_proc.lock import lock_holder, take_lock
from schemas.shared.endpoint import PROJECT_ROOT

HOLDER = """
import sys, time
from pathlib import Path
from engine_proc.lock import take_lock
lock = take_lock(Path(sys.argv[1]))
print("taken" if lock else "refused", flush=True)
time.sleep(600 if lock else 0)
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


def test_one_that_only_looks_does_not_keep_an_engine_from_starting(lock_file: Path) -> None:
    lock_file.touch()
    with lock_file.open() as looking, ThreadPoolExecutor(1) as pool:
        fcntl.flock(looking, fcntl.LOCK_SH)  # as `lock_holder` in another process does for a moment
        taking = pool.submit(take_lock, lock_file)
        assert not wait([taking], timeout=0.1).done
        fcntl.flock(looking, fcntl.LOCK_UN)
        lock = taking.result(10)
    assert lock is not None
    with lock:
        assert lock_holder(lock_file) == os.getpid()


def test_kill_releases_it(lock_file: Path, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert lock_holder(lock_file) is None
    lock = take_lock(lock_file)
    assert lock is not None
    with lock:
        assert lock_holder(lock_file) == os.getpid(), "the pid of the dead holder is still in it"
