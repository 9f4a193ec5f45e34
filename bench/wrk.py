"""Measure throughput with wrk, the client that takes the least CPU from the servers."""

import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.loads import Load

SCRIPT = Path(__file__).with_suffix(".lua")
TIME_LIMIT_FACTOR = 20
"""A load may take this many times the expected time, plus a minute."""


class LoadFailed(RuntimeError):
    """wrk exited before all answers had arrived."""


@dataclass(frozen=True, slots=True)
class WrkResult:
    """What wrk measured of one load."""

    seconds: float
    """From the first request to the last answer."""
    bad: int
    """Answers with another status than 200, or incomplete ones."""


def limit_seconds(load: Load) -> int:
    """Return after how many seconds a load has failed."""
    return int(60 + TIME_LIMIT_FACTOR * load.expected_seconds)


def run(port: int, load: Load, limit: int | None = None) -> WrkResult:
    """Run a load. Raises `LoadFailed` if not all answers arrive within `limit` seconds (None: as `limit_seconds`)."""
    limit = limit or limit_seconds(load)
    end_mark = "data: [DONE]" if load.stream else f'"completion_tokens":{load.tokens_each}'
    with tempfile.NamedTemporaryFile() as bodies:
        bodies.write(b"\n".join(load.bodies()) + b"\n")
        bodies.flush()
        command = ["wrk", "-t1", f"-c{load.connections}", f"-d{limit}s", f"--timeout={limit}s", f"-s{SCRIPT}"]
        command += [f"http://127.0.0.1:{port}/v1/chat/completions", "--", bodies.name, str(load.requests), end_mark]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as wrk:
            try:
                return _read(wrk, load)
            finally:
                wrk.send_signal(signal.SIGKILL)  # it would not exit before its time limit


def _read(wrk: "subprocess.Popen[str]", load: Load) -> WrkResult:
    assert wrk.stdout is not None
    output = []
    for line in wrk.stdout:
        words = line.split()
        if len(words) == 2 and words[0].replace(".", "").isdigit():
            return WrkResult(float(words[0]), int(words[1]))
        output.append(line)
    raise LoadFailed(f"wrk ended before {load.requests} answers of {load.name} had arrived:\n{''.join(output)}")
