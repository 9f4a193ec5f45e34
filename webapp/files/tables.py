"""The tables of files and of their parts."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
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

from webapp.database.rows import NUMBER
from webapp.files.file import Listing

metadata = MetaData()

files = Table(
    "hearth_files",
    metadata,
    Column("n", NUMBER, primary_key=True),
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
    Column("file", NUMBER, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("bytes", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
)
"""A file is its parts, in the order of their numbers."""


def paged(table: Table, where: ColumnElement[bool], listing: Listing, first: int | None) -> Select[Any]:
    """Return the query of a page and one row more, which tells whether another page follows.

    `first` is the number of the row with the id `listing.after`.
    """
    n = table.c.n
    query = select(table).where(where).order_by(n.desc() if listing.newest_first else n).limit(listing.limit + 1)
    if first is not None:
        query = query.where(n < first if listing.newest_first else n > first)
    return query
