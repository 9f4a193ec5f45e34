"""The files of clients, in the database: add, list, read, delete. `scope` is `ApiKey.scope`: each key sees its own."""

import logging
import time
from collections.abc import Iterator
from typing import Any

import gevent

from schemas.errors import ApiError, invalid, quoted
from schemas.replies.batches.file import file_object
from schemas.shared.ids import may_be_id, new_id
from webapp.database.calls import Calls
from webapp.database.sweeping import Sweeping
from webapp.database.thread import in_one_line
from webapp.files.database import files_database
from webapp.files.file import File, Listing, TooMuch
from webapp.settings import MIB, Settings

log = logging.getLogger("hearth.files")

PART_BYTES = 256 * 1024
PARTS_AT_ONCE = 4
"""Parts that are stored in one transaction: each waits for the disk."""
DAY = 86400.0
"""Seconds."""
UPLOAD_SECONDS = 3600.0
"""The longest an upload may take."""
SWEPT_FILES = 100
"""Files deleted by one sweep."""


class Files:
    """All files of a web worker's clients."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is connected before the first call."""
        self.max_bytes = int(settings.file_max_mb * MIB)
        self._max_of_key = int(settings.files_per_key_mb * MIB)
        self.max_seconds = settings.file_max_days * DAY
        self._database = files_database(settings.database_url)
        self._sweeping = Sweeping(self.sweep)

    def add(self, scope: str, size: int | None) -> "Addition":
        """Begin a file. `size`: most bytes that it can have, where they are known.

        Raises `ApiError`: 400 if the key has no room for it, 503.
        """
        now = time.time()
        most = self.max_bytes if size is None else min(size, self.max_bytes)
        file = File(id=new_id("file", "-"), scope=scope, filename="", purpose="", bytes=most, created=now, expires=now)
        self._sweeping.begin_if_due()
        try:
            file.n = self._database.checked("begin_upload", file, self._max_of_key)
        except TooMuch as error:
            raise invalid(str(error), "file", "file_storage_full") from None
        return Addition(self._database, file, self.max_bytes)

    def find(self, scope: str, file_id: str) -> File:
        """Return a file. Raises `ApiError`: 404, 503."""
        file: File | None = self._database.checked("find", scope, file_id) if may_be_id(file_id) else None
        if file is None:
            raise not_found(file_id)
        return file

    def page(self, scope: str, purpose: str | None, listing: Listing) -> list[File]:
        """Return a page of the key's files, and one more if another page follows. Raises `ApiError`: 400, 503."""
        found: list[File] | None = self._database.checked("page", scope, purpose, listing)
        if found is None:
            raise invalid(f"Invalid value for `after`: There is no file {quoted(listing.after)}.", "after")
        return found

    def content(self, file: File) -> Iterator[bytes]:
        """Yield the bytes of a file, about a megabyte at a time.

        Raises `ApiError`: 404 if it is deleted meanwhile, 503.
        """
        last, left = -1, file.bytes
        while left > 0:
            found: list[tuple[int, bytes]] = self._database.checked("read_parts", file.n, last)
            if not found:
                raise not_found(file.id)
            last = found[-1][0]
            piece = b"".join(data for _, data in found)
            left -= len(piece)
            yield piece

    def delete(self, scope: str, file_id: str) -> None:
        """Delete a file. Raises `ApiError`: 404, 503."""
        n: int | None = self._database.checked("hide", scope, file_id) if may_be_id(file_id) else None
        if n is None:
            raise not_found(file_id)
        gevent.spawn(self._clear, [n])
        self._sweeping.begin_if_due()

    def sweep(self) -> None:
        """Delete what has expired, what was never uploaded to its end, and what is left of deleted files."""
        now = time.time()
        try:
            self._database.call("expire", now, now - 2 * UPLOAD_SECONDS)
            self._clear(self._database.call("gone", SWEPT_FILES))
        except Exception as error:
            log.error("old files could not be deleted: %s", in_one_line(error))

    def close(self) -> None:
        """Close the connection."""
        self._database.close()

    def _clear(self, numbers: list[int]) -> None:
        try:
            for n in numbers:
                while self._database.call("clear", n):  # others use the thread in between
                    pass
        except Exception as error:  # the next sweep goes on
            log.error("a deleted file is still stored: %s", in_one_line(error))


class Addition:
    """A file that is being written. It holds at most `PARTS_AT_ONCE` parts in memory."""

    def __init__(self, database: Calls, file: File, max_bytes: int) -> None:
        self._database = database
        self._file = file
        self._max_bytes = max_bytes
        self._size = 0
        self._parts = 0
        """How many are stored."""
        self._waiting: list[bytes] = []
        self._open = bytearray()
        """The part that is not full yet."""

    def write(self, data: bytes) -> None:
        """Append `data`. Raises `ApiError`: 413 if the file is too large, 404 if it was deleted, 503."""
        self._size += len(data)
        if self._size > self._max_bytes:
            raise ApiError(413, f"The file is larger than {self._max_bytes} bytes.", code="request_too_large")
        self._open += data
        while len(self._open) >= PART_BYTES:
            self._waiting.append(bytes(self._open[:PART_BYTES]))
            del self._open[:PART_BYTES]
        if len(self._waiting) >= PARTS_AT_ONCE:
            self._store()

    def end(self, filename: str, purpose: str, seconds: float) -> File:
        """Let the client see the file, for `seconds`. Raises `ApiError`, as `write`."""
        if self._open:
            self._waiting.append(bytes(self._open))
            self._open.clear()
        self._store()
        file = self._file
        file.filename, file.purpose, file.bytes = filename, purpose, self._size
        file.expires = file.created + seconds
        self._check(self._database.checked("end_upload", file.n, purpose, self._size, filename, file.expires))
        return file

    def abandon(self) -> None:
        """Delete what there is of the file. A sweep does it where the database fails now."""
        try:
            self._database.call("abandon", self._file.n)
            while self._database.call("clear", self._file.n):
                pass
        except Exception as error:
            log.error("an upload that has failed is still stored: %s", in_one_line(error))

    def _store(self) -> None:
        if self._waiting:
            self._check(self._database.checked("add_parts", self._file.n, self._parts, self._waiting))
            self._parts += len(self._waiting)
            self._waiting = []

    def _check(self, there: bool) -> None:
        if not there:
            raise not_found(self._file.id)


def not_found(file_id: str) -> ApiError:
    return ApiError(404, f"No such File object: {quoted(file_id)}.", param="id", code="file_not_found")


def shown(file: File) -> dict[str, Any]:
    """Return OpenAI's file object."""
    return file_object(
        file.id,
        size=file.bytes,
        created=file.created,
        filename=file.filename,
        purpose=file.purpose,
        expires=file.expires,
    )
