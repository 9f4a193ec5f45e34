"""How much CPU time a loop's thread takes from one turn of its loop to the next: a probe for the tests, off by default.

In each turn a loop serves what has arrived, and whatever arrives then waits until the turn ends, so no request may make
a turn long. CPU time is measured instead of elapsed time, because it depends least on what else the host does.
"""

import contextlib
import json
import math
import os
import sys
import time
from _thread import get_ident, start_new_thread
from pathlib import Path
from time import clock_gettime, pthread_getcpuclockid, sleep, thread_time
from types import FrameType

SETTING = "HEARTH_SLOW_TURN_MS"
"""Environment variable: turns of more milliseconds of CPU time are recorded. Unset: nothing is measured."""
FILE = "slow_turns.jsonl"
"""Both tiers append to this file of the run directory: a JSON object for each turn (`SlowTurn` in tests/turns.py)."""
MOST_RECORDS = 10_000
"""The most turns that one process records."""
MOST_FRAMES, MOST_SAMPLES = 12, 3
"""The most functions of a call stack, and call stacks of a turn, that are recorded."""


class Turns:
    """Measures the turns of the loop that runs in the thread which creates this object.

    A second thread looks now and then at what the loop's thread is doing. Both threads use the functions of `time` and
    `_thread` as they were when this module was imported: a web worker replaces them by gevent's later.
    """

    def __init__(self, file: Path, tier: str, least: float) -> None:
        """Record turns of more than `least` seconds in `file`. `tier` is recorded with each of them."""
        self._file = file
        self._tier = tier
        self._least = least
        self._left = MOST_RECORDS
        self._thread = get_ident()
        self._samples: list[str] = []
        self._began = math.inf
        """The CPU time of the loop's thread when the current turn began, in seconds. Infinity: none has begun."""
        self._modules = 0
        """How many modules this process had when the current turn began."""
        self.paused = self.was_paused = False
        """Whether turns do not count now, and whether that was so at some time of the current turn."""
        start_new_thread(self._watch, ())

    def begin(self) -> None:
        """End the current turn, and begin the next. The loop must call this once a turn, in its own thread."""
        spent = thread_time() - self._began
        if spent > self._least and self._left and not self.was_paused:
            self._left -= 1
            self._record(spent)
        self.was_paused = self.paused
        self.forget()

    def forget(self) -> None:
        """Begin the current turn anew."""
        self._samples = []
        self._modules = len(sys.modules)
        self._began = thread_time()

    def _record(self, spent: float) -> None:
        turn = {
            "tier": self._tier,
            "pid": os.getpid(),
            "at": time.time(),
            "ms": spent * 1000,
            "imported": len(sys.modules) - self._modules,
            "where": self._samples,
        }
        with contextlib.suppress(OSError), self._file.open("a") as file:  # a test may have removed the directory
            file.write(json.dumps(turn) + "\n")

    def _watch(self) -> None:
        """Take samples of the turns that last, forever."""
        clock = pthread_getcpuclockid(self._thread)
        while True:
            sleep(self._least / 2)
            samples = self._samples  # those of the current turn: the next has a list of its own
            if clock_gettime(clock) - self._began > self._least / 2 and len(samples) < MOST_SAMPLES:
                samples.append(_stack(sys._current_frames().get(self._thread)))


_measured: Turns | None = None
"""The probe of this process's loop."""


def from_environment(run_dir: Path, tier: str) -> Turns | None:
    """Return a probe of this thread's loop, or None if `SETTING` does not ask for one."""
    global _measured
    milliseconds = float(os.environ.get(SETTING, "0"))
    _measured = Turns(run_dir / FILE, tier, milliseconds / 1000) if milliseconds > 0 else None
    return _measured


def forget_turn() -> None:
    """Do not count what the current turn of this process's loop has done: it is the start's, not a request's."""
    if _measured is not None:
        _measured.forget()


def pause() -> None:
    """Do not count the turns of this process's loop, from the current one on. Any thread may call this."""
    if _measured is not None:
        _measured.paused = _measured.was_paused = True


def resume() -> None:
    """Count the turns again, from the next one on."""
    if _measured is not None:
        _measured.paused = False


def _stack(frame: FrameType | None) -> str:
    """Return the functions of a call stack, the innermost first."""
    calls: list[str] = []
    while frame is not None and len(calls) < MOST_FRAMES:
        name = "/".join(Path(frame.f_code.co_filename).parts[-2:])
        calls.append(f"{name}:{frame.f_lineno} {frame.f_code.co_name}")
        frame = frame.f_back
    return " < ".join(calls)
