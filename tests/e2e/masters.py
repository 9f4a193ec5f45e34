"""A new gunicorn master in the place of the running one: what an operator does to change gunicorn or Python itself."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.harness import Hearth, until

SECONDS = 120


def master_of(hearth: Hearth) -> int:
    """The pid of the gunicorn that serves. Its pid file is written anew at each reload, and so is gone for a moment."""
    pid: int = until(lambda: _pid(hearth), SECONDS, "there is a pid file")
    return pid


def worker_pids(hearth: Hearth) -> set[int]:
    return {worker.pid for worker in psutil.Process(master_of(hearth)).children()}


def replace_master(hearth: Hearth) -> None:
    """USR2 to the master and, once the new one has its workers, TERM. Returns when the old one is gone."""
    old, new_file = master_of(hearth), pid_file(hearth).with_suffix(".pid.2")
    os.kill(old, signal.SIGUSR2)
    until(new_file.exists, SECONDS, "a new master has started")
    new = int(new_file.read_text())
    until(lambda: len(psutil.Process(new).children()) == 2, SECONDS, "the new master has its workers")
    os.kill(old, signal.SIGTERM)
    wait_for_place_of(hearth, old)


def reload_workers(hearth: Hearth) -> None:
    """SIGHUP; returns when every worker is a new one."""
    before = worker_pids(hearth)
    os.kill(master_of(hearth), signal.SIGHUP)
    until(lambda: not before & worker_pids(hearth), SECONDS, "the old workers are gone")


def wait_for_place_of(hearth: Hearth, old: int) -> None:
    """Until the new master has noticed that the old one is gone, and has its pid file."""
    until(lambda: _pid(hearth) not in (None, old), SECONDS, "the new master has the old one's place")


@contextlib.contextmanager
def replaceable(hearth: Hearth, restart: bool = True) -> Iterator[None]:
    """End a master that has taken the first one's place and, with `restart`, start a web tier as ever."""
    assert hearth.web is not None
    first = hearth.web
    try:
        yield
    finally:
        last = psutil.Process(master_of(hearth))
        if last.pid != first.pid:
            last.terminate()
            last.wait(SECONDS)
            first.wait(SECONDS)
            hearth.web = None
            if restart:
                hearth.start_web()


def pid_file(hearth: Hearth) -> Path:
    return hearth.run_dir / "gunicorn.pid"


def _pid(hearth: Hearth) -> int | None:
    """None: the file is being written anew, or the old master is gone and the new one has not noticed yet."""
    try:
        return int(pid_file(hearth).read_text())
    except FileNotFoundError:
        return None
