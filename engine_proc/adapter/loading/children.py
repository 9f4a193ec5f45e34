"""Changes to vLLM's processes.

They die with their parent, leave the CPU to the web tier, bound what masks take, and end as soon as their work has.
"""

import atexit
import ctypes
import os
import signal
import sys
import time
from multiprocessing.process import BaseProcess
from typing import Any, NoReturn

_PR_SET_PDEATHSIG, _PR_SET_TIMERSLACK = 1, 29
YIELD_VARIABLE = "HEARTH_YIELD_SECONDS"
"""Environment variable of vLLM's processes: the longest sleep, in seconds, of `yield_by_sleeping`. Unset: no sleep."""
PARENT_VARIABLE = "HEARTH_PARENT_PID"
"""Environment variable: the process that has started this one. Unset or 0: any."""
NAP_SHARE, FIRST_NAP = 1 / 16, 10e-6
"""A nap lasts this share of the wait so far, but at least `FIRST_NAP` seconds."""
NEW_WAIT = 100e-6
"""Seconds between two yields above which the process has worked in between, and a new wait begins."""
TIMER_SLACK = 1000
"""Nanoseconds. With Linux's default of 50,000 a nap of 10 us would last 60 us."""


def die_with_parent(parent: int | None = None) -> None:
    """Ask the kernel to kill this process when its parent dies, for whatever reason (Linux: prctl(2)).

    `parent` is the pid that it must have. None: what `PARENT_VARIABLE` says.

    The signal is KILL, because a hung process would ignore TERM. To the kernel the parent is the THREAD that forked:
    start a process that calls this only from a thread that lives as long as the process should.
    """
    expected = parent or int(os.environ.get(PARENT_VARIABLE, "0")) or os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != expected:
        os._exit(1)  # the parent died before the call, while this process was starting; a zombie is dead too
    os.environ[PARENT_VARIABLE] = str(os.getpid())  # for the processes that this one starts


def yield_by_sleeping() -> None:
    """Replace `os.sched_yield` by a sleep of at most `YIELD_VARIABLE` seconds. Unset or 0: change nothing.

    vLLM's EngineCore and workers wait for each other by yielding in a loop. The kernel yields the CPU only to processes
    of the same session (autogroup) or cgroup. The web tier is in another one, and on a host with few cores stood still
    for a second and more (docs/architecture.md). Naps grow with the wait, so that a short wait is not prolonged.
    """
    if (longest := float(os.environ.get(YIELD_VARIABLE, "0"))) <= 0:
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_TIMERSLACK, TIMER_SLACK)  # threads inherit it
    began = woke = 0.0

    def nap() -> None:
        nonlocal began, woke
        now = time.monotonic()
        if now - woke > NEW_WAIT:
            began = now
        time.sleep(min(max((now - began) * NAP_SHARE, FIRST_NAP), longest))
        woke = time.monotonic()

    os.sched_yield = nap


def bound_masks() -> None:
    """Bound the time that a structure takes for its masks. Imports vLLM, as a process that vLLM starts does anyway."""
    from engine_proc.adapter.grammars import mask_limits  # the model process imports this module before vLLM

    mask_limits.install()


def end_at_once() -> None:
    """Have this process, which multiprocessing has spawned, exit when its work and its exit handlers have ended.

    Python would then take itself and torch apart, which takes each of vLLM's processes two seconds, one after another.
    """
    work: Any = BaseProcess._bootstrap  # type: ignore[attr-defined]

    def work_and_exit(process: BaseProcess, *given: Any, **named: Any) -> NoReturn:
        status: int = work(process, *given, **named)
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)

    BaseProcess._bootstrap = work_and_exit  # type: ignore[attr-defined]
