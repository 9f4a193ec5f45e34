"""Rows whose columns are the fields of a msgspec struct, with the number `n` as their key."""

from typing import Any, TypeVar

import msgspec
from sqlalchemy import BigInteger, Connection, Integer, Table

NUMBER = BigInteger().with_variant(Integer, "sqlite")
"""The type of a row's number. SQLite numbers only rows whose key is of its own type."""

Row = TypeVar("Row", bound=msgspec.Struct)


def insert_row(connection: Connection, table: Table, row: msgspec.Struct) -> int:
    """Insert a new row, and return its number, which the database chooses."""
    given = msgspec.structs.asdict(row)
    del given["n"]
    key = connection.execute(table.insert().values(**given)).inserted_primary_key
    assert key is not None
    return int(key[0])


def row_as(kind: type[Row], row: Any) -> Row:
    """Return a row that was selected."""
    return kind(**{name: getattr(row, name) for name in kind.__struct_fields__})
