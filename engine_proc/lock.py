"""The lock in the run directory, which ensures that only one engine runs at a time."""

import fcntl
import os
import time
from pathlib import Path
from typing import IO

LOCK_FILE = "engine.lock"
"""Name of the file in the run directory."""
TRY_SECONDS = 1.0
"""How long `take_lock` tries: `lock_holder` in another process has a shared lock for a moment."""


def take_lock(path: Path) -> IO[str] | None:
    """Lock the file `path` and write this process's pid to it.

    The lock is held until the returned file is closed. None: another process has held it for `TRY_SECONDS`.
    """
    file = path.open("a+")
    deadline = time.monotonic() + TRY_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                file.close()
                return None
            time.sleep(0.01)
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def lock_holder(path: Path) -> int | None:
    """Return the pid of the process that holds the lock, or None."""
    try:
        with path.open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read() or 0) or None
    except FileNotFoundError:
        pass
    return None
