"""The engine's log file, which is cut down while the engine runs: the run directory may be in memory (a tmpfs)."""

import contextlib
import os
from pathlib import Path

MAX_LOG_BYTES = 16 * 1024 * 1024
"""Size above which the log is cut down."""
KEPT_LOG_BYTES = 4 * 1024 * 1024
"""Size of the last part, which is kept."""


def trim_log(path: Path) -> None:
    """Cut the file `path` down to the whole lines of its last part, if it is larger than `MAX_LOG_BYTES`.

    Processes that append to it go on to do so. A line that is written during the cut may be lost. The last part is in
    the file at every moment, for who reads it meanwhile and for a kill -9. Raises `FileNotFoundError`.
    """
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        if size <= MAX_LOG_BYTES:
            return
        file.seek(size - KEPT_LOG_BYTES)
        tail = file.read()
        file.seek(0)
        file.write(tail[tail.find(b"\n") + 1 :])
        file.truncate()


def trim_own_log(path: Path) -> None:
    """Do `trim_log` if this process's standard error is the file `path`. It is the journal in a systemd unit.

    Cheap enough to be called several times a second. Never raises: a full disk must not end the engine.
    """
    with contextlib.suppress(OSError):
        own = os.fstat(2)
        if own.st_size > MAX_LOG_BYTES and os.path.samestat(own, path.stat()):
            trim_log(path)
