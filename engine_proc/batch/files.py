"""The two files of a batch: the input, read as a stream, and the output, which survives a `kill -9`."""

import asyncio
import contextlib
import fcntl
import os
import stat
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec

from schemas.replies.batches.results import RESULT_ID_PREFIX

MAX_LINE_BYTES = 16 * 1024 * 1024
"""The limit of a line: that of an HTTP body by default. `read_lines` cuts a longer line to one byte more."""
READ_AHEAD = 32
"""How many lines are read in advance."""
MAX_UNWRITTEN = 1024
"""How many results may wait to be written."""
_RESULT_BEGINS = b'{"id":"' + RESULT_ID_PREFIX.encode()


class FileProblem(Exception):
    """A file cannot be used. The message is for the user."""


# ---- input ----------------------------------------------------------------------------------------------------------


def count_lines(path: Path) -> int:
    """Return the number of lines that are not blank."""
    with path.open("rb") as file:
        return sum(not line.isspace() for line in file)


async def read_lines(file: BinaryIO) -> AsyncIterator[tuple[int, bytes]]:
    """Yield the number, from 1, and the bytes of each line that is not blank.

    A thread reads them, because a pipe may take long to deliver its next line. Raises `OSError`.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[tuple[int, bytes] | OSError | None] = asyncio.Queue()
    room = threading.Semaphore(READ_AHEAD)

    def read() -> None:
        end: OSError | None = None
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            try:
                for number, line in enumerate(iter(lambda: _read_line(file), b""), 1):
                    if not line.isspace():
                        room.acquire()
                        loop.call_soon_threadsafe(queue.put_nowait, (number, line))
            except OSError as error:
                end = error
            loop.call_soon_threadsafe(queue.put_nowait, end)

    threading.Thread(target=read, name="read", daemon=True).start()
    while (item := await queue.get()) is not None:
        if isinstance(item, OSError):
            raise item
        room.release()
        yield item


def _read_line(file: BinaryIO) -> bytes:
    """Read a line, and return at most `MAX_LINE_BYTES + 1` bytes of it."""
    line = part = file.readline(MAX_LINE_BYTES + 1)
    while len(part) > MAX_LINE_BYTES and not part.endswith(b"\n"):
        part = file.readline(MAX_LINE_BYTES + 1)
    return line


# ---- output ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Done:
    """Lines that already have a result in the output file."""

    ids: set[str] = field(default_factory=set)
    """By `custom_id`."""
    lines: set[int] = field(default_factory=set)
    """By number: lines that hold no request, and may lack a `custom_id` of their own."""


class _LineError(msgspec.Struct):
    line: int | None = None


class _Result(msgspec.Struct):
    id: str
    custom_id: str | None
    error: _LineError | None


def open_results(path: Path, *, overwrite: bool) -> tuple[int, Done]:
    """Open `path` for appending, and return its file descriptor and the lines that have a result.

    An incomplete last line is removed. Raises `FileProblem` if another batch is writing to the file, or the file is not
    the output of a batch.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    except OSError as error:
        raise FileProblem(f"{path} cannot be written: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        return fd, Done()
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise FileProblem(f"another batch is writing to {path}") from None
    if overwrite:
        os.ftruncate(fd, 0)
        return fd, Done()
    done, complete = _scan(path)
    os.ftruncate(fd, complete)
    return fd, done


def _scan(path: Path) -> tuple[Done, int]:
    """Return the lines that have a result in `path`, and the size of its complete lines in bytes."""
    done, complete = Done(), 0
    decode = msgspec.json.Decoder(_Result).decode
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                if line[: len(_RESULT_BEGINS)] != _RESULT_BEGINS[: len(line)]:
                    raise _not_an_output(path, number)
                break
            try:
                result = decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                raise _not_an_output(path, number) from None
            if result.error is not None and result.error.line is not None:
                done.lines.add(result.error.line)
            elif result.custom_id is not None and result.id.startswith(RESULT_ID_PREFIX):
                done.ids.add(result.custom_id)
            else:
                raise _not_an_output(path, number)
            complete += len(line)
    return done, complete


def _not_an_output(path: Path, number: int) -> FileProblem:
    return FileProblem(
        f"{path} is not the output of a batch (see its line {number}): name another file, or use --overwrite"
    )


class Results:
    """Writes whole result lines in the order in which they are added. A thread writes, so the loop is never blocked."""

    def __init__(self, fd: int, on_error: Callable[[OSError], None]) -> None:
        """`on_error` is called once, on the loop, if writing fails. Nothing is written after that."""
        self._fd = fd
        self._on_error = on_error
        self._unwritten: list[bytes] = []
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="write")
        self._writer: asyncio.Task[None] | None = None
        self._broken = False

    def add(self, line: bytes) -> None:
        """Append a line, which is written later."""
        self._unwritten.append(line)
        if self._writer is None and not self._broken:
            self._writer = asyncio.create_task(self._write_all())

    async def room(self) -> None:
        """Wait until at most `MAX_UNWRITTEN` lines are unwritten."""
        while len(self._unwritten) > MAX_UNWRITTEN and self._writer is not None:
            await asyncio.wait({self._writer})

    async def flush(self) -> None:
        """Wait until all lines are written, and synchronised to the disk, to survive a power cut."""
        while self._writer is not None:
            await asyncio.wait({self._writer})
        with contextlib.suppress(OSError):  # a pipe cannot be synchronised
            os.fsync(self._fd)

    async def _write_all(self) -> None:
        try:
            while self._unwritten:
                lines, self._unwritten = self._unwritten, []
                await asyncio.get_running_loop().run_in_executor(self._thread, _write, self._fd, b"".join(lines))
        except OSError as error:
            self._broken = True
            self._on_error(error)
        finally:
            self._writer = None


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
