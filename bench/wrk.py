"""Throughput, by wrk: the lightest client there is, so that it takes little of what the servers need."""

import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bench.loads import Load

SCRIPT = Path(__file__).with_suffix(".lua")
PATIENCE = 20
"""A load may take this many times what is expected, and a minute more."""


class LoadFailed(RuntimeError):
    """The load did not come to its end; the message says how far it came."""


@dataclass(frozen=True, slots=True)
class WrkResult:
    seconds: float
    """From the first request to the last answer."""
    bad: int
    """Answers with another status than 200, or without the mark of a whole one."""


def run(port: int, load: Load, limit_seconds: int | None = None) -> WrkResult:
    """Raises `LoadFailed` where the answers have not come within the limit."""
    limit = limit_seconds or int(60 + PATIENCE * load.guessed_seconds)
    proof = "data: [DONE]" if load.stream else f'"completion_tokens":{load.tokens_each}'
    with tempfile.NamedTemporaryFile() as bodies:
        bodies.write(b"\n".join(load.bodies()) + b"\n")
        bodies.flush()
        command = ["wrk", "-t1", f"-c{load.connections}", f"-d{limit}s", f"--timeout={limit}s", f"-s{SCRIPT}"]
        command += [f"http://127.0.0.1:{port}/v1/chat/completions", "--", bodies.name, str(load.requests), proof]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as wrk:
            try:
                return _read(wrk, load)
            finally:
                wrk.send_signal(signal.SIGKILL)  # it would sleep until its time is over


def _read(wrk: "subprocess.Popen[str]", load: Load) -> WrkResult:
    assert wrk.stdout is not None
    said = []
    for line in wrk.stdout:
        words = line.split()
        if len(words) == 2 and words[0].replace(".", "").isdigit():
            return WrkResult(float(words[0]), int(words[1]))
        said.append(line)
    raise LoadFailed(f"wrk ended before {load.requests} answers of {load.name} had come:\n{''.join(said)}")
