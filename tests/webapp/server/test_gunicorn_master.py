"""What HearthArbiter assumes of gunicorn's master. A failure says what a new release has moved."""

import errno
import math
import os
import signal
from types import SimpleNamespace
from typing import Any

import gunicorn.app.base
import pytest
from gunicorn import arbiter, systemd
from gunicorn.config import Config
from gunicorn.workers.base import Worker

from webapp.server.master import HearthArbiter


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Each signal that the master sends: the pid and the number. No process gets one."""
    found: list[tuple[int, int]] = []
    monkeypatch.setattr(arbiter.os, "kill", lambda pid, number: found.append((pid, number)))
    return found


@pytest.fixture
def master(sent: list[tuple[int, int]]) -> HearthArbiter:
    """A master of two workers that has not started."""
    config = Config()
    config.set("workers", 2)
    return HearthArbiter(SimpleNamespace(cfg=config, reload=lambda: None))


STARTED, STARTING = -math.inf, math.inf


def workers(*pids: int, updated: float = STARTED) -> dict[int, Any]:
    """As many workers, the lowest pid being the oldest. `updated`: what the time of their files is."""
    tmp = SimpleNamespace(close=lambda: None, last_update=lambda: updated)
    return {pid: SimpleNamespace(pid=pid, age=pid, tmp=tmp) for pid in pids}


def exits(monkeypatch: pytest.MonkeyPatch, *pids: int) -> None:
    """Each look for a process that has exited finds the next of `pids`, 0 being none; afterwards it finds no child."""
    left = iter(pids)

    def waitpid(pid: int, options: int) -> tuple[int, int]:
        found = next(left, None)
        if found is None:
            raise ChildProcessError(errno.ECHILD, os.strerror(errno.ECHILD))
        return found, 0

    monkeypatch.setattr(arbiter.os, "waitpid", waitpid)


def test_gunicorn_starts_the_arbiter_of_its_application_module(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    fake = SimpleNamespace(run=lambda: started.append("ours"))
    monkeypatch.setattr(gunicorn.app.base, "Arbiter", lambda app: fake)
    monkeypatch.setattr(gunicorn.app.base.BaseApplication, "do_load_config", lambda app: None)
    gunicorn.app.base.BaseApplication().run()
    assert started == ["ours"], (
        "gunicorn's application no longer runs the class it finds as gunicorn.app.base.Arbiter, "
        "so gunicorn.conf.py cannot put HearthArbiter in its place."
    )


def test_the_master_has_what_its_hooks_read(master: HearthArbiter) -> None:
    read = ("WORKERS", "LISTENERS", "num_workers", "master_pid", "reexec_pid", "systemd", "log")
    missing = [name for name in read if not hasattr(master, name)]
    assert missing == [], (
        f"gunicorn's Arbiter has no {missing} any more, "
        "which gunicorn.conf.py's hooks and webapp/server/master.py read."
    )
    assert (systemd.SD_LISTEN_FDS_START, callable(systemd.sd_notify)) == (3, True), (
        "gunicorn.systemd no longer tells where systemd's sockets begin and how to notify it: "
        "see pre_exec and when_ready in gunicorn.conf.py."
    )


def test_workers_beyond_the_number_are_retired(master: HearthArbiter, sent: list[tuple[int, int]]) -> None:
    master.WORKERS = workers(1, 2, 3, 4)
    master.manage_workers()
    assert (list(master.WORKERS), list(master.retired)) == ([3, 4], [1, 2]), (
        "gunicorn's Arbiter no longer keeps its workers by pid in WORKERS with an `age` each: "
        "see manage_workers in webapp/server/master.py."
    )
    assert sent == [(1, signal.SIGTERM), (2, signal.SIGTERM)], (
        "gunicorn's Arbiter no longer signals one worker by kill_worker(pid, number): "
        "see manage_workers in webapp/server/master.py."
    )


def test_a_reload_does_not_wait_for_retired_workers(
    master: HearthArbiter, sent: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    master.WORKERS, master.worker_age, master.pid = workers(1, 2), 2, os.getpid()
    new = iter((3, 4))
    monkeypatch.setattr(master, "spawn_worker", lambda: master.WORKERS.update(workers(next(new), updated=STARTING)))
    monkeypatch.setattr(arbiter.util, "_setproctitle", lambda title: None)

    def wait(seconds: float) -> None:
        pytest.fail(
            "gunicorn's reload no longer looks in WORKERS for the old workers that it waits for, "
            "so it blocks the master for as long as they answer: see webapp/server/master.py."
        )

    monkeypatch.setattr(arbiter.time, "sleep", wait)
    master.reload()
    assert (sorted(master.WORKERS), sorted(master.retired)) == ([3, 4], [1, 2]), (
        "gunicorn's reload no longer starts new workers by spawn_worker and then calls manage_workers: "
        "see webapp/server/master.py."
    )


def test_the_old_workers_of_a_reload_serve_until_the_new_ones_have_started(
    master: HearthArbiter, sent: list[tuple[int, int]]
) -> None:
    assert not master.served
    master.WORKERS = workers(1, 2) | workers(3, 4, updated=STARTING)
    master.manage_workers()
    assert (list(master.WORKERS), list(master.retired), sent) == ([3, 4], [1, 2], [])
    assert master.served, "so that no worker that fails to start ends the master"
    master.WORKERS = workers(3) | workers(5, 6, updated=STARTING)  # 4 has failed, and there has been another reload
    master.manage_workers()
    assert (sorted(master.retired), sent) == ([1, 2, 3], [(1, signal.SIGTERM)])
    master.WORKERS = workers(5, 6)
    master.manage_workers()
    assert sent[1:] == [(1, signal.SIGTERM), (2, signal.SIGTERM), (3, signal.SIGTERM)]


def test_a_worker_tells_that_it_has_started_by_the_time_of_its_file(master: HearthArbiter) -> None:
    worker = Worker(1, os.getpid(), [], None, 30, master.cfg, master.log)
    master.WORKERS = {1: worker}
    worker.pid = 1
    assert master._newest_started() == set()
    worker.notify()
    assert master._newest_started() == {1}, (
        "a worker of gunicorn's no longer sets the time of its file to time.monotonic() when it runs: "
        "see _has_started in webapp/server/master.py."
    )
    worker.tmp.close()
    assert master._newest_started() == set()


def test_a_retired_worker_that_exits_is_reaped(master: HearthArbiter, monkeypatch: pytest.MonkeyPatch) -> None:
    reaped: list[int] = []
    master.cfg.set("child_exit", lambda server, worker: reaped.append(worker.pid))
    master.WORKERS, master.retired = workers(3, 4), workers(1, 2)
    exits(monkeypatch, 1, 0)
    master.reap_workers()
    assert (reaped, list(master.WORKERS), list(master.retired)) == ([1], [3, 4], [2]), (
        "gunicorn's reap_workers no longer finds a worker that has exited in WORKERS and calls child_exit with it: "
        "see webapp/server/master.py and child_exit in gunicorn.conf.py."
    )


def test_a_retired_worker_that_hangs_is_killed(master: HearthArbiter, sent: list[tuple[int, int]]) -> None:
    master.retired = workers(1)
    master.retired[1].aborted = False
    master.murder_workers()
    assert sent == [(1, signal.SIGABRT)], (
        "gunicorn's murder_workers no longer finds the workers that hang in WORKERS: see webapp/server/master.py."
    )


def test_a_stop_repeats_sigterm_until_all_have_exited(
    master: HearthArbiter, sent: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    master.WORKERS, master.retired = workers(2), workers(1)
    monkeypatch.setattr(arbiter.time, "sleep", lambda seconds: None)
    exits(monkeypatch, 0, 1, 0, 2)
    master.stop()
    asked = [pid for pid, number in sent if number == signal.SIGTERM]
    assert min(asked.count(1), asked.count(2)) > 1 and not master.WORKERS, (
        "gunicorn's stop no longer calls reap_workers until WORKERS is empty, "
        "where webapp/server/master.py repeats SIGTERM to all workers, retired ones too."
    )
