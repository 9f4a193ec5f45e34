"""What vLLM's processes do in Hearth's interest: die with their parent, and leave cores to the web tier."""

import ctypes
import os
import signal
import time

_PR_SET_PDEATHSIG, _PR_SET_TIMERSLACK = 1, 29
YIELD_VARIABLE = "HEARTH_YIELD_SECONDS"
"""Set for vLLM's processes where they should not spin: see `yield_by_sleeping`."""
NAP_SHARE, FIRST_NAP = 1 / 16, 10e-6
"""How long a nap is: this share of the wait so far, and at least so many seconds."""
WORKED = 100e-6
"""Seconds between two yields that were spent on something else than waiting."""
TIMER_SLACK = 1000
"""Nanoseconds; Linux's own 50,000 would make 60 us of a nap of 10."""


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent is gone, however the parent died (Linux: prctl(2)).

    The signal is KILL: a hung process would not heed TERM. The parent is the THREAD that forked, so whoever starts
    a process that calls this must do it from a thread that lives as long as the process should.
    """
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # the parent died before the call


def yield_by_sleeping() -> None:
    """Have `os.sched_yield` sleep, at most for as long as `YIELD_VARIABLE` says; without it all stays as it is.

    vLLM's EngineCore and workers wait for each other by yielding in a loop. The kernel lets a yield give way within the
    session (its autogroup) or the cgroup alone, so on a host with few cores the web tier, which is in another, stood
    still for a second and more (docs/architecture.md). Naps grow with the wait: what is soon there is soon seen.
    """
    if (longest := float(os.environ.get(YIELD_VARIABLE, "0"))) <= 0:
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_TIMERSLACK, TIMER_SLACK)  # threads inherit it
    began = woke = 0.0

    def nap() -> None:
        nonlocal began, woke
        now = time.monotonic()
        if now - woke > WORKED:
            began = now
        time.sleep(min(max((now - began) * NAP_SHARE, FIRST_NAP), longest))
        woke = time.monotonic()

    os.sched_yield = nap
