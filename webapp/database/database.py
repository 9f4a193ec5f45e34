"""One thread's connection to the database, with the tables that it needs."""

from typing import Any

from sqlalchemy import MetaData

from webapp.database.connecting import connect, make_tables


class Database:
    """The connection of one thread. The tables are made at the first call, where they are missing."""

    def __init__(self, url: str, *tables: MetaData) -> None:
        self._engine = connect(url)
        self._unmade = list(tables)

    def begin(self) -> Any:
        """Return a transaction: a context manager that yields a `Connection`, and commits unless an error leaves it."""
        while self._unmade:
            make_tables(self._engine, self._unmade[-1])
            self._unmade.pop()
        return self._engine.begin()

    def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()
