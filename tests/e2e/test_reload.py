"""Reloads of the web tier alone, many of them and broken ones: no engine is needed for that."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.harness import Hearth, serving, until

RELOADS = 8
KEY = {"Authorization": "Bearer secret"}


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hearth]:
    root = tmp_path_factory.mktemp("reload")
    keys = root / "keys"
    keys.write_text("ann:secret\n")
    with serving(
        root / "run",
        ready=False,
        HEARTH_ENGINE_SPAWN="0",
        HEARTH_API_KEYS_FILE=str(keys),
        WEB_CONCURRENCY="1",
    ) as hearth:
        yield hearth


def master_of(web: Hearth) -> int:
    """The pid of gunicorn's master. Its pid file is written anew at each reload, and so is gone for a moment."""
    assert web.web is not None
    return web.web.pid


def worker_pids(web: Hearth) -> set[int]:
    return {worker.pid for worker in web.workers()}


def reload_workers(web: Hearth) -> None:
    """SIGHUP; returns when every worker is a new one, and answers."""
    before = worker_pids(web)
    os.kill(master_of(web), signal.SIGHUP)
    until(lambda: len(worker_pids(web)) == 1 and not before & worker_pids(web), 120, "the old worker is gone")
    assert web.get("/health").status_code == 200


def cpu_of_a_request(web: Hearth) -> float:
    """CPU seconds of the one worker for 300 requests that reach no engine."""
    (pid,) = worker_pids(web)
    worker = psutil.Process(pid)
    for _ in range(20):
        web.get("/health")
    before = sum(worker.cpu_times()[:2])
    for _ in range(300):
        assert web.get("/health").status_code == 200
    return float(sum(worker.cpu_times()[:2]) - before)


def test_a_request_costs_the_same_after_many_reloads_and_the_master_does_not_grow(web: Hearth) -> None:
    for _ in range(3):  # the first ones fill the allocator's arenas
        reload_workers(web)
    fresh = cpu_of_a_request(web)
    before = psutil.Process(master_of(web)).memory_info().rss
    for _ in range(RELOADS):
        reload_workers(web)
    assert cpu_of_a_request(web) < 2 * fresh
    grown = psutil.Process(master_of(web)).memory_info().rss - before
    assert grown < RELOADS * 20_000, "a reload of the modules took 150 kB of the master each time"


def test_a_reload_that_cannot_be_done_leaves_the_workers(web: Hearth) -> None:
    keys = Path(web.env["HEARTH_API_KEYS_FILE"])
    before = worker_pids(web)
    keys.write_text("")
    os.kill(master_of(web), signal.SIGHUP)
    until(lambda: "the reload failed" in web.web_log.read_text(), 30, "the master says so")
    assert worker_pids(web) == before
    assert web.get("/health").status_code == 200

    keys.write_text("ann:secret\n")
    reload_workers(web)
    assert not worker_pids(web) & before


def test_a_killed_worker_with_spoilt_counts_is_replaced(web: Hearth) -> None:
    (pid,) = worker_pids(web)
    master = master_of(web)
    for path in (web.run_dir / "metrics").glob(f"*_{pid}.db"):
        path.write_bytes(b"\xff" * 100)
    os.kill(pid, signal.SIGKILL)
    until(lambda: worker_pids(web) not in ({pid}, set()), 30, "there is another worker")
    shutil.rmtree(web.run_dir / "metrics")
    (other,) = worker_pids(web)
    os.kill(other, signal.SIGKILL)
    until(lambda: worker_pids(web) not in ({other}, set()), 30, "and another")
    assert master_of(web) == master
    assert web.get("/health").status_code == 200
