"""The tables of jobs and of their logs."""

from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)

from webapp.database.connecting import connect, make_tables
from webapp.jobs.job import Job

metadata = MetaData()
_Number = BigInteger().with_variant(Integer, "sqlite")

jobs = Table(
    "hearth_jobs",
    metadata,
    Column("n", _Number, primary_key=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("scope", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("owner", String(128), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("beat", BigInteger, nullable=False),
    Column("losses", Integer, nullable=False),
    Column("wish", String(16), nullable=False),
    Column("reads", BigInteger, nullable=False),
    Column("created", Float(53), nullable=False),
    Column("ended", Float(53), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("records", Integer, nullable=False),
    Column("request", LargeBinary, nullable=False),
    sqlite_autoincrement=True,  # the number of a deleted job must never be used again
)
# Every worker looks for jobs once a second, however many have ended.
Index("hearth_jobs_by_state", *(jobs.c[name] for name in ("state", "owner", "n")))
Index("hearth_jobs_by_key", *(jobs.c[name] for name in ("scope", "state")))

log = Table(
    "hearth_job_log",
    metadata,
    Column("job", _Number, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("record", LargeBinary, nullable=False),
)


class Database:
    """The connection of one thread. The tables are made at the first call, where they are missing."""

    def __init__(self, url: str, *more: MetaData) -> None:
        """`more`: further tables that are written in the same transactions."""
        self._engine = connect(url)
        self._unmade = [metadata, *more]

    def begin(self) -> Any:
        """Return a transaction: a context manager that yields a `Connection`, and commits unless an error leaves it."""
        while self._unmade:
            make_tables(self._engine, self._unmade[-1])
            self._unmade.pop()
        return self._engine.begin()

    def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()


def job_of(row: Any) -> Job:
    """Return the job in a row of `jobs`."""
    return Job(**{name: getattr(row, name) for name in Job.__struct_fields__})


def insert_job(connection: Connection, job: Job) -> int:
    """Insert a new job, and return its number."""
    given = msgspec.structs.asdict(job)
    del given["n"]
    key = connection.execute(jobs.insert().values(**given)).inserted_primary_key
    assert key is not None
    return int(key[0])
