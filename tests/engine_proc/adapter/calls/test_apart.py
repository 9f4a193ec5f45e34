"""Work in a process of its own: what it returns, and what ends it."""

import errno
import fcntl
import itertools
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine_proc.adapter.calls import apart as module
from engine_proc.adapter.calls.apart import NotDone, apart
from schemas.shared.endpoint import PROJECT_ROOT
from tests.engine_proc.helpers import gone
from tests.harness import until


def test_it_returns_what_another_process_has_found() -> None:
    pid, text = apart(lambda: (os.getpid(), "é" * 2_000_000), tuple[int, str])
    assert pid != os.getpid()
    assert gone(pid)
    assert text == "é" * 2_000_000


def test_it_has_no_file_of_this_process(tmp_path: Path) -> None:
    """Such as the engine's lock, or a client's connection, whose other end would not learn that this process ends."""
    with (tmp_path / "file").open("w") as file:
        assert apart(Path(f"/proc/self/fd/{file.fileno()}").exists, bool) is False


def test_it_has_none_above_the_limit_on_files_either(tmp_path: Path) -> None:
    """A limit may be lowered after a file is opened, or be infinite."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with (tmp_path / "file").open("w") as file:
        high = fcntl.fcntl(file, fcntl.F_DUPFD, 700)
        resource.setrlimit(resource.RLIMIT_NOFILE, (600, hard))
        try:
            assert apart(Path(f"/proc/self/fd/{high}").exists, bool) is False
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            os.close(high)


@pytest.mark.parametrize("computing", [True, False])
def test_work_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, computing: bool) -> None:
    """It computes, or it waits for a lock that another thread had when the process was copied."""
    monkeypatch.setattr(module, "CPU_SECONDS" if computing else "MOST_SECONDS", 1)

    def work() -> int:
        (tmp_path / "pid").write_text(str(os.getpid()))
        for _ in itertools.count():
            if not computing:
                time.sleep(600)
        return 0

    with pytest.raises(NotDone):
        apart(work, int)
    assert gone(int((tmp_path / "pid").read_text()))


def test_its_cpu_time_is_limited() -> None:
    limits = apart(lambda: resource.getrlimit(resource.RLIMIT_CPU), tuple[int, int])
    assert limits == (module.CPU_SECONDS, module.CPU_SECONDS)


def test_work_that_raises_is_not_done() -> None:
    with pytest.raises(NotDone):
        apart(lambda: 1 // 0, int)


def test_where_no_process_can_be_copied_this_one_does_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr(os, "fork", refuse)
    files = len([*Path("/proc/self/fd").iterdir()])
    assert apart(os.getpid, int) == os.getpid()
    assert len([*Path("/proc/self/fd").iterdir()]) == files


def test_it_dies_with_its_process() -> None:
    script = (
        "import os, time; from engine_proc.adapter.calls.apart import apart\n"
        "apart(lambda: (print(os.getpid(), flush=True), time.sleep(600)), object)"
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True) as head:
        assert head.stdout is not None
        pid = int(head.stdout.readline())
        head.kill()
        until(lambda: gone(pid), 5, "the copy is gone")
