"""Measure the web tier alone: one worker and two in front of the mock engine, at increasing rates."""

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
"""Each step sends a token to each stream. 0: as many as the mock engine can, more than the web tier can read."""
SECONDS_EACH = 5


@dataclass(slots=True)
class Point:
    """One measurement."""

    workers: int
    steps_per_second: int
    asked_tokens_per_s: int | None
    """What the mock engine sends. None: as many as it can."""
    tokens_per_s: float
    worker_cpu_us_per_token: float
    bad: int
    """Requests without a complete answer."""

    @property
    def name(self) -> str:
        return f"{self.workers} workers, {self.steps_per_second or 'unbounded'} steps/s"


def measure(run_dir: Path, paces: tuple[int, ...] = STEPS_PER_SECOND) -> list[dict[str, Any]]:
    """Return a point, as a dict, for each number of workers and each rate."""
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
    """Run gunicorn in front of the engine that listens in `run_dir`."""
    hearth = Stack(run_dir, HEARTH_ENGINE_SPAWN="0", WEB_CONCURRENCY=str(workers))
    try:
        hearth.start_web()
        until(lambda: hearth.get("/ready").status_code == 200, 10, "/ready is 200")
        yield hearth
    finally:
        if hearth.web is not None:
            hearth.stop_web()
