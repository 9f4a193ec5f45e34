"""Does a piece of work in a process of its own, which has a limit: a copy of this process.

A thread is not enough for work in C that keeps Python's lock, such as a search for a regular expression: the loop
stands for as long, and nothing can end it. A process that has threads is copied with their locks. So the work must need
none of these, and what it has not done within a limit is given up.
"""

import gc
import logging
import os
import resource
import select
import signal
import time
from collections.abc import Callable
from typing import NoReturn, TypeVar

import msgspec

from engine_proc.adapter.loading.children import die_with_parent

log = logging.getLogger("hearth.engine")

CPU_SECONDS = 10
"""CPU time after which the kernel kills the process."""
MOST_SECONDS = 120.0
"""Time after which this process kills it. It may wait for a lock that another thread had when it was copied."""
_READ_AT_ONCE = 1 << 20

Result = TypeVar("Result")


class NotDone(Exception):
    """The work has taken too long, or its process has failed."""


class NoCopy(NotDone):
    """The kernel makes no copy of this process, as where memory must not be promised twice."""


def apart(work: Callable[[], Result], kind: type[Result], *, here: bool = True) -> Result:
    """Return what `work` returns, an object of `kind` that msgspec can write.

    Blocks the calling thread, which must live as long (see `die_with_parent`), and no other thread for longer than a
    fork takes. `work` must not wait for other threads, for the copy has none. If the kernel makes no copy, it is done
    in this process; without `here`, that raises `NoCopy`. Raises `NotDone`.
    """
    reading, writing = os.pipe()
    parent = os.getpid()
    try:
        child = os.fork()
    except OSError as error:
        os.close(reading)
        os.close(writing)
        if not here:
            raise NoCopy(str(error)) from error
        log.warning("this process cannot be copied, and does the work itself: %s", error)
        return work()
    if child == 0:
        _work(work, writing, parent)
    os.close(writing)
    try:
        encoded = _read(reading, time.monotonic() + MOST_SECONDS)
    finally:
        os.close(reading)
        os.kill(child, signal.SIGKILL)  # it has ended, or must
        os.waitpid(child, 0)
    try:
        return msgspec.msgpack.decode(encoded, type=kind)
    except msgspec.DecodeError as error:
        raise NotDone(f"no result after {CPU_SECONDS} s of CPU time or {MOST_SECONDS:.0f} s") from error


def _work(work: Callable[[], object], writing: int, parent: int) -> NoReturn:
    """Do the work in the copy, and end it. Only the standard streams and `writing` of its open files stay open."""
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        die_with_parent(parent)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        for first, last in ((3, writing), (writing + 1, _highest_descriptor() + 1)):
            os.closerange(first, last)
        gc.disable()  # it would copy the pages of every object
        with open(writing, "wb") as pipe:
            pipe.write(msgspec.msgpack.encode(work()))
    except Exception:
        log.exception("work in a process of its own has failed")
    finally:
        os._exit(0)


def _highest_descriptor() -> int:
    """Return the highest number of this process's open files. A limit on them may be infinite."""
    return max(int(name) for name in os.listdir("/proc/self/fd"))  # noqa: PTH208 (as numbers)


def _read(pipe: int, deadline: float) -> bytes:
    """Return what is written to `pipe` until it is closed, or until `deadline`."""
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    parts = [b""]
    while (left := deadline - time.monotonic()) > 0:
        if not poll.poll(left * 1000):
            break
        part = os.read(pipe, _READ_AT_ONCE)
        if not part:
            break
        parts.append(part)
    return b"".join(parts)
