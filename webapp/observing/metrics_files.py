"""The files of the web workers' metrics. When a worker exits, its counts are kept and its files deleted.

Without the deletion, a web tier that is restarted many times a day would collect more files with each restart. A killed
worker may leave a file half written, and a disk may spoil one: that file is left out, with a line in the log.
"""

import fcntl
import json
import logging
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client.mmap_dict import MmapedDict

log = logging.getLogger("hearth.metrics")

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client's environment variable for the directory of the files."""
ENDED = "0"
"""Stands for the process id in the names of the files that hold the counts of all exited workers."""
LOCK = "lock"


def clear(directory: Path) -> None:
    """Create `directory`, or delete the files in it. No worker may be counting there."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in directory.glob("*.db"):
        path.unlink(missing_ok=True)


def retire(directory: Path, pid: int) -> None:
    """Add the counts of worker `pid`, which has exited, to those of all exited workers, and delete its files."""
    with locked(directory, fcntl.LOCK_EX):
        for path in directory.glob(f"*_{pid}.db"):
            kind = path.name.removesuffix(f"_{pid}.db")
            total = directory / f"{kind}_{ENDED}.db"
            if total.exists() and not is_sound(total):
                total.unlink()
            if not kind.startswith("gauge") and is_sound(path):
                _add(path, total)
            path.unlink()


def sound_files(directory: Path) -> list[str]:
    """Return the paths of the files that can be read. Call it under the lock."""
    return [str(path) for path in directory.glob("*.db") if is_sound(path)]


def is_sound(path: Path) -> bool:
    """Return whether prometheus_client can read the file, whose own reader loops for ever on some spoilt ones.

    The format: the used bytes as a 32-bit integer, 4 bytes of padding, and entries of a key (a 32-bit length and JSON,
    padded to 8 bytes) and two doubles.
    """
    try:
        data = path.read_bytes()
        (used,) = struct.unpack_from("i", data)
        if not 0 <= used <= len(data):
            raise ValueError("it says that it is longer than it is")
        position = 8
        while position < used:
            (length,) = struct.unpack_from("i", data, position)
            end = position + 4 + length + (8 - (length + 4) % 8) + 16
            if not (length > 0 and end <= used):
                raise ValueError("an entry is longer than the file")
            metric, name, labels, help_text = json.loads(data[position + 4 : position + 4 + length])
            if not (isinstance(labels, dict) and all(isinstance(text, str) for text in (metric, name, help_text))):
                raise ValueError("a key names no metric")
            position = end
    except FileNotFoundError:
        return False
    except (OSError, ValueError, TypeError, RecursionError, struct.error) as error:
        log.warning("metrics file %s is left out: %s", path.name, error)
        return False
    return True


@contextmanager
def locked(directory: Path, mode: int = fcntl.LOCK_SH) -> Iterator[None]:
    """Hold the directory's lock: readers (`LOCK_SH`) see each count once, while `retire` (`LOCK_EX`) moves counts."""
    directory.mkdir(mode=0o700, exist_ok=True)  # someone may have cleaned up
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
