"""What the web tier can do by itself: the mock engine behind one worker and behind two, at rising paces."""

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from bench import wrk
from bench.accounting import cpu_seconds
from bench.loads import Load
from bench.stack import Stack, until
from schemas.shared.endpoint import PROJECT_ROOT

CONNECTIONS = 64
STEPS_PER_SECOND = (50, 100, 200, 400, 0)
"""An engine step brings a token to each stream. 0: as fast as the mock engine can, which is faster than it is read."""
SECONDS_EACH = 5


@dataclass(slots=True)
class Point:
    workers: int
    steps_per_second: int
    asked_tokens_per_s: int | None
    tokens_per_s: float
    worker_cpu_us_per_token: float
    bad: int

    @property
    def name(self) -> str:
        return f"{self.workers} workers, {self.steps_per_second or 'unbounded'} steps/s"


def measure(run_dir: Path, paces: tuple[int, ...] = STEPS_PER_SECOND) -> list[dict[str, Any]]:
    """One point for each number of workers and pace."""
    cases = [(workers, pace) for workers in (1, 2) for pace in paces]
    points = []
    for workers, pace in (bar := tqdm(cases, unit="run")):
        bar.set_description(f"web tier, {workers} workers, {pace or 'all'} steps/s")
        with tempfile.TemporaryDirectory(prefix="mock-", dir=run_dir) as directory:
            points.append(asdict(_point(Path(directory), workers, pace)))
    return points


def _point(run_dir: Path, workers: int, pace: int) -> Point:
    with mock_engine(run_dir, pace), web_tier(run_dir, workers) as hearth:
        assert hearth.web is not None
        waves = max(1, round(SECONDS_EACH * (pace or 400) / 128))
        load = Load("mock", CONNECTIONS, CONNECTIONS * waves)
        wrk.run(hearth.port, load.smaller(waves))
        before = cpu_seconds({"web": hearth.web.pid})
        result = wrk.run(hearth.port, load)
        cpu = cpu_seconds({"web": hearth.web.pid}) - before
    asked = CONNECTIONS * pace or None
    return Point(workers, pace, asked, load.tokens / result.seconds, 1e6 * cpu.total / load.tokens, result.bad)


@contextlib.contextmanager
def mock_engine(run_dir: Path, steps_per_second: float) -> Iterator[None]:
    command = [sys.executable, "-m", "bench.mock_engine", f"ipc://{run_dir}/engine.sock", str(steps_per_second)]
    process = subprocess.Popen(command, cwd=PROJECT_ROOT)
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def web_tier(run_dir: Path, workers: int) -> Iterator[Stack]:
    """gunicorn alone, in front of whatever engine listens in `run_dir`."""
    hearth = Stack(run_dir, HEARTH_ENGINE_SPAWN="0", WEB_CONCURRENCY=str(workers))
    try:
        hearth.start_web()
        until(lambda: hearth.get("/ready").status_code == 200, 10, "/ready is 200")
        yield hearth
    finally:
        if hearth.web is not None:
            hearth.stop_web()
