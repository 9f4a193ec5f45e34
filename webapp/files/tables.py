"""The tables of files and of their parts."""

from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    String,
    Table,
    select,
)

from webapp.files.file import File, Listing

metadata = MetaData()
_Number = BigInteger().with_variant(Integer, "sqlite")

files = Table(
    "hearth_files",
    metadata,
    Column("n", _Number, primary_key=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("scope", String(64), nullable=False),
    Column("filename", String(255), nullable=False),
    Column("purpose", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("created", Float(53), nullable=False),
    Column("expires", Float(53), nullable=False),
    Column("readers", Integer, nullable=False),
    sqlite_autoincrement=True,  # the number of a deleted file must never be used again: its parts may still be there
)
Index("hearth_files_of", *(files.c[name] for name in ("scope", "state", "n")))
Index("hearth_files_by_state", *(files.c[name] for name in ("state", "expires")))

parts = Table(
    "hearth_file_parts",
    metadata,
    Column("file", _Number, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("bytes", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
)
"""A file is its parts, in the order of their numbers."""


def insert_file(connection: Connection, file: File) -> int:
    """Insert a new file, and return its number."""
    given = msgspec.structs.asdict(file)
    del given["n"]
    key = connection.execute(files.insert().values(**given)).inserted_primary_key
    assert key is not None
    return int(key[0])


def file_of(row: Any) -> File:
    """Return the file in a row of `files`."""
    return File(**{name: getattr(row, name) for name in File.__struct_fields__})


def paged(table: Table, where: ColumnElement[bool], listing: Listing, first: int | None) -> Select[Any]:
    """Return the query of a page and one row more, which tells whether another page follows.

    `first` is the number of the row with the id `listing.after`.
    """
    n = table.c.n
    query = select(table).where(where).order_by(n.desc() if listing.newest_first else n).limit(listing.limit + 1)
    if first is not None:
        query = query.where(n < first if listing.newest_first else n > first)
    return query
