"""Reloads of the web tier alone, many of them and broken ones: no engine is needed for that."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from schemas.shared.turns import SETTING
from tests.harness import Hearth, serving, until
from tests.turns import Records

RELOADS = 12
KEY = {"Authorization": "Bearer secret"}
EVERY = {SETTING: "0.5"}
FAILED = "this worker cannot start"


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
    for _ in range(5):  # the first ones fill the allocator's arenas
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


def test_a_worker_that_cannot_start_ends_no_other_and_is_tried_again(web: Hearth) -> None:
    keys, master = Path(web.env["HEARTH_API_KEYS_FILE"]), master_of(web)
    os.kill(master, signal.SIGTTIN)
    until(lambda: len(worker_pids(web)) == 2, 30, "there are two workers")
    old, new = sorted(web.workers(), key=lambda worker: worker.create_time())
    until(lambda: f"[{new.pid}] hearth.web every user" in web.web_log.read_text(), 30, "the new one has read the keys")
    keys.write_text("")
    os.kill(old.pid, signal.SIGKILL)
    until(lambda: web.web_log.read_text().count(FAILED) >= 2, 60, "two have tried")
    assert new.is_running() and master_of(web) == master
    assert web.get("/health").status_code == 200

    os.kill(new.pid, signal.SIGKILL)  # and with no other left, the master waits for a better file
    keys.write_text("ann:secret\n")
    until(lambda: len(_that_answer(web)) == 2, 60, "two workers answer")
    assert master_of(web) == master
    os.kill(master, signal.SIGTTOU)
    until(lambda: len(worker_pids(web)) == 1, 30, "there is one worker")


def _that_answer(web: Hearth) -> set[int]:
    """The workers that are not about to give up: each has said nothing but that it boots."""
    assert web.get("/health").status_code == 200
    failed = {int(line.split("[")[1].split("]")[0]) for line in web.web_log.read_text().splitlines() if FAILED in line}
    return worker_pids(web) - failed


def test_the_turns_of_a_workers_hub_are_measured(web: Hearth, tmp_path: Path) -> None:
    with serving(tmp_path / "run", ready=False, HEARTH_ENGINE_SPAWN="0", WEB_CONCURRENCY="1", **EVERY) as measured:
        assert measured.get("/docs").status_code == 200
        assert measured.get("/docs").status_code == 200
    records = Records()
    records.add(measured.run_dir)
    assert {turn.tier for turn in records.take()} == {"web"}


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
