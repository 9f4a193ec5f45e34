"""The SQL of files. Each function is one transaction, called in a thread."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from webapp.database.database import Database
from webapp.database.rows import insert_row, row_as
from webapp.files.file import GONE, MOST_FILES, READY, UPLOADING, File, Listing, TooMuch
from webapp.files.tables import files, paged, parts

SWEPT_AT_ONCE = 500
"""Most parts deleted in one transaction: other writers wait for SQLite's write lock meanwhile."""
READ_AT_ONCE = 1024 * 1024
"""About as many bytes are read in one transaction."""
MOST_PARTS = 256
"""Most parts read in one transaction."""


def begin_upload(database: Database, file: File, most_bytes: int) -> int:
    """Insert a file whose parts are to come, and return its number. Raises `TooMuch`."""
    with database.begin() as connection:
        of_key = (files.c.scope == file.scope) & (files.c.state != GONE)
        used = select(func.coalesce(func.sum(files.c.bytes), 0), func.count()).where(of_key)
        taken, count = connection.execute(used).one()
        if count >= MOST_FILES:
            raise TooMuch(f"This key has {count} files, and may have no more: delete some.")
        if taken + file.bytes > most_bytes:
            raise TooMuch(
                f"This key's files have {taken} bytes, and this one up to {file.bytes}, but at most {most_bytes} are "
                "allowed in all: delete some."
            )
        return insert_row(connection, files, file)


def add_parts(database: Database, n: int, first: int, data: Sequence[bytes]) -> bool:
    """Add parts to a file that is uploaded, from number `first` on. Returns False if it has been deleted meanwhile."""
    with database.begin() as connection:
        uploading = (files.c.n == n) & (files.c.state == UPLOADING)
        if not connection.execute(update(files).where(uploading).values(bytes=files.c.bytes)).rowcount:
            return False
        insert_parts(connection, n, list(enumerate(data, first)))
    return True


def insert_parts(connection: Connection, n: int, numbered: Sequence[tuple[int, bytes]]) -> None:
    """Insert parts, each with its number, in the transaction of `connection`."""
    rows = [{"file": n, "number": number, "bytes": len(data), "data": data} for number, data in numbered]
    if rows:
        connection.execute(insert(parts), rows)


def end_upload(database: Database, n: int, purpose: str, size: int, filename: str, expires: float) -> bool:
    """Let the client see its file. Returns False if it has been deleted meanwhile."""
    values = {"state": READY, "purpose": purpose, "bytes": size, "filename": filename, "expires": expires}
    with database.begin() as connection:
        uploading = (files.c.n == n) & (files.c.state == UPLOADING)
        ended: int = connection.execute(update(files).where(uploading).values(**values)).rowcount
    return ended > 0


def find(database: Database, scope: str, file_id: str) -> File | None:
    """Return a file that its key can see. None: there is none."""
    with database.begin() as connection:
        row = connection.execute(select(files).where(_seen(scope), files.c.id == file_id)).one_or_none()
    return None if row is None else row_as(File, row)


def page(database: Database, scope: str, purpose: str | None, listing: Listing) -> list[File] | None:
    """Return a page of the key's files, and one file more if another page follows. None: `after` is unknown."""
    wanted = _seen(scope) if purpose is None else _seen(scope) & (files.c.purpose == purpose)
    first = None
    with database.begin() as connection:
        if listing.after is not None:
            first = connection.scalar(select(files.c.n).where(_seen(scope), files.c.id == listing.after))
            if first is None:
                return None
        return [row_as(File, row) for row in connection.execute(paged(files, wanted, listing, first))]


def read_parts(database: Database, n: int, after: int) -> list[tuple[int, bytes]]:
    """Return the parts of a file that follow number `after`, each with its number: about `READ_AT_ONCE` bytes, and at
    least one part. An empty list: there are no more.
    """
    follow = (parts.c.file == n) & (parts.c.number > after)
    with database.begin() as connection:
        sizes = connection.execute(
            select(parts.c.number, parts.c.bytes).where(follow).order_by(parts.c.number).limit(MOST_PARTS)
        ).all()
        last, size = after, 0
        for number, its in sizes:
            if last > after and size + its > READ_AT_ONCE:
                break
            last, size = number, size + its
        rows = select(parts.c.number, parts.c.data).where(follow, parts.c.number <= last).order_by(parts.c.number)
        return [(number, bytes(data)) for number, data in connection.execute(rows)] if sizes else []


def hide(database: Database, scope: str, file_id: str) -> int | None:
    """Delete a file for its client, and return its number; `clear` deletes the rest. None: there is none."""
    with database.begin() as connection:
        of = _seen(scope) & (files.c.id == file_id)
        n: int | None = connection.scalar(update(files).where(of).values(state=GONE).returning(files.c.n))
    return n


def abandon(database: Database, n: int) -> None:
    """Delete a file whose upload has failed; `clear` deletes the rest."""
    with database.begin() as connection:
        connection.execute(update(files).where(files.c.n == n, files.c.state == UPLOADING).values(state=GONE))


def expire(database: Database, now: float, uploads_before: float) -> int:
    """Delete for their clients what has expired, and uploads that have begun before `uploads_before` and not ended.

    Returns how many there were.
    """
    old = (files.c.state == READY) & (files.c.expires <= now)
    broken = (files.c.state == UPLOADING) & (files.c.created < uploads_before)
    with database.begin() as connection:
        expired: int = connection.execute(update(files).where(old | broken).values(state=GONE)).rowcount
    return expired


def clear(database: Database, n: int) -> bool:
    """Delete up to `SWEPT_AT_ONCE` parts of a file that is gone, unless a batch reads it. Returns whether to call
    again: some may be left.
    """
    with database.begin() as connection:
        if connection.scalar(select(files.c.n).where(files.c.n == n, _unused())) is None:
            return False
        numbers = select(parts.c.number).where(parts.c.file == n).order_by(parts.c.number).limit(SWEPT_AT_ONCE)
        last = list(connection.scalars(numbers))
        if last:
            connection.execute(delete(parts).where(parts.c.file == n, parts.c.number <= last[-1]))
        else:
            connection.execute(delete(files).where(files.c.n == n))
    return bool(last)


def gone(database: Database, most: int) -> list[int]:
    """Return the numbers of up to `most` files that are gone and that no batch reads."""
    with database.begin() as connection:
        return list(connection.scalars(select(files.c.n).where(_unused()).limit(most)))


def _unused() -> ColumnElement[bool]:
    return (files.c.state == GONE) & (files.c.readers == 0)


def _seen(scope: str) -> ColumnElement[bool]:
    return (files.c.scope == scope) & (files.c.state == READY)
