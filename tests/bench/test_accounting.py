"""Whose CPU is whose."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bench.accounting import cpu_seconds, peak_mb
from tests.harness import until

BUSY = "import time\nwhile time.process_time() < 0.3: pass\n"
READY = "print('ready', flush=True)\ninput()\n"


@contextmanager
def process(source: str, *names: str) -> Iterator["subprocess.Popen[str]"]:
    """A Python process that has run `source`, has said `ready`, and goes at the end of its input."""
    command = [*(names or (sys.executable,)), "-c", source + READY]
    with subprocess.Popen(
        command, executable=sys.executable, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        yield child


PARENT = f"""
import subprocess, sys
child = subprocess.Popen(["VLLM::EngineCore", "-c", {BUSY + READY!r}], executable=sys.executable,
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
"""


def test_the_engine_is_told_from_what_has_started_it() -> None:
    with process(PARENT) as parent:
        cpu = cpu_seconds({"model": parent.pid})
    assert cpu.engine >= 0.29
    assert cpu.parts["model"] == cpu.front < cpu.engine + 1


def test_parts_are_told_apart() -> None:
    with process(BUSY) as busy, process("") as idle:
        before = cpu_seconds({"web": busy.pid, "model": idle.pid})
        assert before.parts["web"] >= 0.29
        assert before.engine == 0
        used = cpu_seconds({"web": busy.pid, "model": idle.pid}) - before
    assert used.total < 0.1, "both sleep"


def test_the_highest_memory_stays_in_the_account() -> None:
    with process("x = bytearray(60_000_000)\ndel x\n") as child:
        assert until(lambda: peak_mb(child.pid), 1, "it is there") > 60
