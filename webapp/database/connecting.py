"""Connect to the database: SQLite, or PostgreSQL for several hosts.

Importing SQLAlchemy takes 15 MB, so this file is imported when the database is first used.
"""

import time
from typing import Any

from sqlalchemy import Engine, MetaData, create_engine, event, inspect, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateColumn

WAIT_SECONDS = 5
"""Seconds to wait for a connection, for SQLite's write lock, and for a statement of PostgreSQL's."""
TRIES = 5
"""Attempts of one worker to create its tables."""


def connect(url: str) -> Engine:
    """Return an engine of SQLAlchemy's with at most one connection, which is opened when it is first used."""
    given = make_url(url)
    if given.get_backend_name() == "sqlite":
        engine = create_engine(given, hide_parameters=True, connect_args={"timeout": WAIT_SECONDS})
        event.listen(engine, "connect", _set_up_sqlite)
        return engine
    return create_engine(
        given,
        hide_parameters=True,  # conversations must not appear in the log
        pool_size=1,
        max_overflow=0,
        pool_pre_ping=True,  # the database may have been restarted since the last use
        connect_args={
            "connect_timeout": WAIT_SECONDS,
            "options": f"-c statement_timeout={WAIT_SECONDS}s -c lock_timeout={WAIT_SECONDS}s",
            "tcp_user_timeout": 1000 * WAIT_SECONDS,
            "keepalives_idle": WAIT_SECONDS,
            "keepalives_interval": 1,
            "keepalives_count": WAIT_SECONDS,
            "application_name": "hearth",
        },
    )


def _set_up_sqlite(connection: Any, record: Any) -> None:
    connection.execute("PRAGMA journal_mode=WAL")  # so that readers and the writer do not block each other
    connection.execute("PRAGMA journal_size_limit=16777216")


def make_tables(engine: Engine, metadata: MetaData) -> None:
    """Create the tables of `metadata` where they are missing, and add the columns that a later release has brought.

    Such a column has a `server_default`: rows that are there get it, and so do those that workers of the release before
    still write. Workers that start together all find no table and all create it: those whose attempt fails try again.
    """
    for tries_left in reversed(range(TRIES)):
        try:
            metadata.create_all(engine)
            _add_columns(engine, metadata)
            return
        except DBAPIError:
            if not tries_left:
                raise
            time.sleep(0.1)


def _add_columns(engine: Engine, metadata: MetaData) -> None:
    with engine.begin() as connection:
        for table in metadata.tables.values():
            there = {column["name"] for column in inspect(connection).get_columns(table.name)}
            for column in table.columns:
                if column.name not in there:
                    described = CreateColumn(column).compile(dialect=engine.dialect)
                    connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {described}")
