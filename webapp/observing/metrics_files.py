"""The files in which web workers count. What a worker has counted stays when it ends, but not its files.

A web tier that is restarted many times a day would else have more of them each time.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client.mmap_dict import MmapedDict

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client's own variable."""
ENDED = "0"
"""In the place of a process id: what all that have ended have counted."""
LOCK = "lock"


def clear(directory: Path) -> None:
    """Begin anew: no worker counts there."""
    directory.mkdir(mode=0o700, exist_ok=True)
    for path in directory.glob("*.db"):
        path.unlink(missing_ok=True)


def retire(directory: Path, pid: int) -> None:
    """A worker has ended: add its counts to those of the others that have, and remove its files."""
    with locked(directory, fcntl.LOCK_EX):
        for path in directory.glob(f"*_{pid}.db"):
            kind = path.name.removesuffix(f"_{pid}.db")
            if not kind.startswith("gauge"):
                _add(path, directory / f"{kind}_{ENDED}.db")
            path.unlink()


@contextmanager
def locked(directory: Path, how: int = fcntl.LOCK_SH) -> Iterator[None]:
    """Whoever reads sees each count once: with its worker, or with those that have ended."""
    with (directory / LOCK).open("ab") as lock:
        fcntl.flock(lock, how)
        yield


def _add(path: Path, total: Path) -> None:
    sums = MmapedDict(str(total))  # type: ignore[no-untyped-call]
    try:
        for key, value, timestamp, _ in MmapedDict.read_all_values_from_file(str(path)):  # type: ignore[no-untyped-call]
            before, _ = sums.read_value(key)  # type: ignore[no-untyped-call]
            sums.write_value(key, before + value, timestamp)  # type: ignore[no-untyped-call]
    finally:
        sums.close()  # type: ignore[no-untyped-call]
