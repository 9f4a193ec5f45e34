"""Ray on this host alone, as an operator starts it, from an environment that has it beside vLLM."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil

from schemas.shared.endpoint import PROJECT_ROOT
from tests.harness import free_port, until

RAY = PROJECT_ROOT / ".venv" / "ray" / "bin"
"""An environment with Ray, and with what `make setup` has installed."""
DEVICES = 2
PYTHONPATH = f"{Path(__file__).with_name('platform')}:{PROJECT_ROOT}"
"""Of vLLM's processes. Ray's workers need the project, too: on a CPU, Hearth has a worker of its own."""
ENVIRONMENT = {"PYTHONPATH": PYTHONPATH, "RAY_worker_niceness": "0"}
"""Without the second, Ray's workers have the nice value 15, and stand still on a CPU that is busy."""
START_SECONDS = 120
"""Ray starts six daemons, most of them Python."""


class Cluster:
    """A Ray of one host that is running."""

    def __init__(self, address: str, start: psutil.Process) -> None:
        self.address = address
        self._start = start

    def processes(self) -> list[psutil.Process]:
        """Return Ray's daemons, and what they have started."""
        return list(self._start.children(recursive=True))

    def workers(self) -> list[psutil.Process]:
        """Return the processes in which Ray runs vLLM's workers, of whatever engine."""
        titles = [(process, process.cmdline() or [""]) for process in self.processes()]
        return [process for process, title in titles if title[0].startswith("ray::RayWorkerProc")]


@contextlib.contextmanager
def cluster(directory: Path) -> Iterator[Cluster]:
    """Start Ray, and yield it. At the end its daemons are gone, with all that they have started."""
    port = free_port()
    command = [
        *(str(RAY / "ray"), "start", "--head", "--block", "--disable-usage-stats"),
        *(f"--port={port}", f"--num-gpus={DEVICES}", f"--temp-dir={directory}"),
        *("--node-ip-address=127.0.0.1", "--include-dashboard=false", "--include-log-monitor=false"),
        *("--min-worker-port=0", "--max-worker-port=0", "--object-store-memory=100000000"),
    ]
    log = directory / "start.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, env={**os.environ, **ENVIRONMENT}, stdout=out, stderr=out)
    ray = Cluster(f"127.0.0.1:{port}", psutil.Process(process.pid))
    started: list[psutil.Process] = []
    try:
        until(lambda: "Ray runtime started" in log.read_text() or process.poll() is not None, START_SECONDS, "Ray runs")
        assert process.poll() is None, log.read_text()
        yield ray
        started = ray.processes()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    until(lambda: not any(each.is_running() for each in started), 30, "no process of Ray is left")
