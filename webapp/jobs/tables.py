"""The tables of jobs and of their logs."""

from sqlalchemy import BigInteger, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table

from webapp.database.rows import NUMBER

metadata = MetaData()

jobs = Table(
    "hearth_jobs",
    metadata,
    Column("n", NUMBER, primary_key=True),
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
    Column("job", NUMBER, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("record", LargeBinary, nullable=False),
)
