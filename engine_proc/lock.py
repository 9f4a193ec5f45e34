"""One engine at a time: the lock in the run directory, and who holds it."""

import fcntl
import os
from pathlib import Path
from typing import IO

LOCK_FILE = "engine.lock"
"""In the run directory: held by the engine that runs."""


def take_lock(path: Path) -> IO[str] | None:
    """Hold `path` for as long as the returned file is open, with this pid in it. None: another process holds it."""
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def lock_holder(path: Path) -> int | None:
    """The pid of the process that holds the lock, or None."""
    try:
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read() or 0) or None
    except FileNotFoundError:
        pass
    return None
