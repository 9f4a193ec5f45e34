"""The files of the web workers' metrics. When a worker exits, its counts are kept and its files deleted.

Without the deletion, a web tier that is restarted many times a day would collect more files with each restart.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client.mmap_dict import MmapedDict

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client's environment variable for the directory of the files."""
ENDED = "0"
"""Stands for the process id in the names of the files that hold the counts of all exited workers."""
LOCK = "lock"


def clear(directory: Path) -> None:
    """Create `directory`, or delete the files in it. No worker may be counting there."""
    directory.mkdir(mode=0o700, exist_ok=True)
    for path in directory.glob("*.db"):
        path.unlink(missing_ok=True)


def retire(directory: Path, pid: int) -> None:
    """Add the counts of worker `pid`, which has exited, to those of all exited workers, and delete its files."""
    with locked(directory, fcntl.LOCK_EX):
        for path in directory.glob(f"*_{pid}.db"):
            kind = path.name.removesuffix(f"_{pid}.db")
            if not kind.startswith("gauge"):
                _add(path, directory / f"{kind}_{ENDED}.db")
            path.unlink()


@contextmanager
def locked(directory: Path, mode: int = fcntl.LOCK_SH) -> Iterator[None]:
    """Hold the directory's lock: readers (`LOCK_SH`) see each count once, while `retire` (`LOCK_EX`) moves counts."""
    with (directory / LOCK).open("ab") as lock:
        fcntl.flock(lock, mode)
        yield


def _add(path: Path, total: Path) -> None:
    sums = MmapedDict(str(total))  # type: ignore[no-untyped-call]
    try:
        for key, value, timestamp, _ in MmapedDict.read_all_values_from_file(str(path)):  # type: ignore[no-untyped-call]
            before, _ = sums.read_value(key)  # type: ignore[no-untyped-call]
            sums.write_value(key, before + value, timestamp)  # type: ignore[no-untyped-call]
    finally:
        sums.close()  # type: ignore[no-untyped-call]
