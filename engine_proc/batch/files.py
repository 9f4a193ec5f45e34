"""The two files of a batch: lines that come in as a stream, and results that survive a `kill -9`."""

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

MAX_LINE_BYTES = 16 * 1024 * 1024
"""As long as the HTTP server's default for a body. Of a longer line one byte more is kept, which tells."""
READ_AHEAD = 32
"""Lines read before they are wanted."""
MAX_UNWRITTEN = 1024
"""Results that may wait for a slow reader of the output."""
RESULT_ID_PREFIX = "batch_req_"
_RESULT_BEGINS = b'{"id":"' + RESULT_ID_PREFIX.encode()


class FileProblem(Exception):
    """A file cannot be used; the message is for the operator."""


# ---- in ----------------------------------------------------------------------------------------------------------


def count_lines(path: Path) -> int:
    """Lines that are not blank."""
    with path.open("rb") as file:
        return sum(not line.isspace() for line in file)


async def read_lines(file: BinaryIO) -> AsyncIterator[tuple[int, bytes]]:
    """Each line that is not blank, and its number, from 1. Read by a thread, for a pipe's next line may be long in
    coming. Raises `OSError`."""
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[tuple[int, bytes] | OSError | None] = asyncio.Queue()
    room = threading.Semaphore(READ_AHEAD)

    def read() -> None:
        end: OSError | None = None
        with contextlib.suppress(RuntimeError):  # the loop has ended first
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
    line = rest = file.readline(MAX_LINE_BYTES + 1)
    while len(rest) > MAX_LINE_BYTES and not rest.endswith(b"\n"):
        rest = file.readline(MAX_LINE_BYTES + 1)
    return line


# ---- out ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Done:
    """What an output file already has results for."""

    ids: set[str] = field(default_factory=set)
    lines: set[int] = field(default_factory=set)
    """Numbers of lines that were refused before they had a request: a `custom_id` may not tell these."""


class _LineError(msgspec.Struct):
    line: int | None = None


class _Result(msgspec.Struct):
    id: str
    custom_id: str | None
    error: _LineError | None


def open_results(path: Path, *, overwrite: bool) -> tuple[int, Done]:
    """Open `path` for appending, and say what it has. A line that a kill has torn is cut off.

    Raises `FileProblem` where the file is another batch's at the moment, or no batch's output at all.
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
    """What `path` has results for, and the bytes that its complete lines take."""
    done, complete = Done(), 0
    decode = msgspec.json.Decoder(_Result).decode
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                if line[: len(_RESULT_BEGINS)] != _RESULT_BEGINS[: len(line)]:
                    raise _foreign(path, number)
                break
            try:
                result = decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                raise _foreign(path, number) from None
            if result.error is not None and result.error.line is not None:
                done.lines.add(result.error.line)
            elif result.custom_id is not None and result.id.startswith(RESULT_ID_PREFIX):
                done.ids.add(result.custom_id)
            else:
                raise _foreign(path, number)
            complete += len(line)
    return done, complete


def _foreign(path: Path, number: int) -> FileProblem:
    return FileProblem(
        f"{path} is not the output of a batch (see its line {number}): name another file, or --overwrite it"
    )


class Results:
    """Writes result lines in the order they are added, whole, and without keeping the loop from its work."""

    def __init__(self, fd: int, on_error: Callable[[OSError], None]) -> None:
        """`on_error` is called once, on the loop; nothing is written after that."""
        self._fd = fd
        self._on_error = on_error
        self._unwritten: list[bytes] = []
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="write")
        self._writer: asyncio.Task[None] | None = None
        self._broken = False

    def add(self, line: bytes) -> None:
        self._unwritten.append(line)
        if self._writer is None and not self._broken:
            self._writer = asyncio.create_task(self._write_all())

    async def room(self) -> None:
        """Wait until what is unwritten has shrunk to `MAX_UNWRITTEN`."""
        while len(self._unwritten) > MAX_UNWRITTEN and self._writer is not None:
            await asyncio.wait({self._writer})

    async def flush(self) -> None:
        """Wait until all is written. What the disk keeps through a power cut, it has from here on."""
        while self._writer is not None:
            await asyncio.wait({self._writer})
        with contextlib.suppress(OSError):  # a pipe has no disk
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
