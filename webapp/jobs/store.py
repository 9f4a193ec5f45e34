"""The SQL of jobs and their logs: make, read, append, delete. Each function is one transaction, called in a thread."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from webapp.conversations.store import insert_turns
from webapp.database.database import Database
from webapp.database.rows import insert_row, row_as
from webapp.jobs.job import LIVE, Job, TooMany
from webapp.jobs.log.record import Record, decode_record
from webapp.jobs.log.writer import Write
from webapp.jobs.tables import jobs, log

SWEPT_AT_ONCE = 200
"""Most jobs deleted in one transaction: other writers wait for SQLite's write lock meanwhile."""
READ_AT_ONCE = 64
"""Most records read in one transaction."""


def add(database: Database, job: Job, most: int) -> int:
    """Insert a job, and return its number. Raises `TooMany` if its key has `most` jobs that have not ended."""
    with database.begin() as connection:
        of_key = (jobs.c.scope == job.scope) & jobs.c.state.in_(LIVE)
        if (connection.scalar(select(func.count()).select_from(jobs).where(of_key)) or 0) >= most:
            raise TooMany
        return insert_row(connection, jobs, job)


def find(database: Database, scope: str, job_id: str) -> Job | None:
    """Return the job. None: there is none, or another key has it."""
    with database.begin() as connection:
        row = connection.execute(select(jobs).where(_named(scope, job_id))).one_or_none()
    return None if row is None else row_as(Job, row)


def state_of(database: Database, n: int) -> str | None:
    """Return the state of a job. None: it has been deleted."""
    with database.begin() as connection:
        state: str | None = connection.scalar(select(jobs.c.state).where(jobs.c.n == n))
    return state


def records(database: Database, n: int, first: int) -> list[bytes]:
    """Return up to `READ_AT_ONCE` records of a job's log, from number `first` on."""
    wanted = (log.c.job == n) & (log.c.number >= first)
    with database.begin() as connection:
        found = connection.scalars(select(log.c.record).where(wanted).order_by(log.c.number).limit(READ_AT_ONCE))
        return list(found)


def decoded_records(database: Database, n: int, first: int) -> list[Record]:
    """Return `records`, decoded: where they have log probabilities, that takes too long for a worker's hub."""
    return [decode_record(each) for each in records(database, n, first)]


def append(database: Database, owner: str, writes: Sequence[Write]) -> list[bool]:
    """Store what `owner` has to add to its jobs. Returns for each whether it still had the job: if not, nothing of it
    was stored.
    """
    with database.begin() as connection:
        return [_append(connection, owner, write) for write in writes]


def _append(connection: Connection, owner: str, write: Write) -> bool:
    size = sum(map(len, write.records))
    values: dict[str, Any] = {"records": write.first + len(write.records), "size": jobs.c.size + size, "losses": 0}
    if write.state is not None:
        values |= {"state": write.state, "ended": write.ended}
    own = (jobs.c.n == write.n) & (jobs.c.epoch == write.epoch) & (jobs.c.owner == owner) & jobs.c.state.in_(LIVE)
    # A write that took too long may have been stored all the same, and is tried again.
    next_is_first = jobs.c.records == write.first
    if not connection.execute(update(jobs).where(own, next_is_first).values(**values)).rowcount:
        return False
    if write.records:
        numbered = enumerate(write.records, write.first)
        connection.execute(insert(log), [{"job": write.n, "number": at, "record": record} for at, record in numbered])
    for scope, conversation, turns in write.turns:
        insert_turns(connection, scope, conversation, turns)
    return True


def note_reader(database: Database, n: int) -> None:
    """Tell the owner of a job that somebody reads its log."""
    with database.begin() as connection:
        connection.execute(update(jobs).where(jobs.c.n == n).values(reads=jobs.c.reads + 1))


def remove(database: Database, n: int) -> None:
    """Delete a job and its log."""
    with database.begin() as connection:
        _remove(connection, [n])


def remove_ended(database: Database, scope: str, job_id: str) -> bool:
    """Delete a job that has ended. Returns whether there was such a one."""
    with database.begin() as connection:
        ended = _named(scope, job_id) & jobs.c.state.not_in(LIVE)
        n = connection.scalar(select(jobs.c.n).where(ended))
        if n is not None:
            _remove(connection, [n])
    return n is not None


def sweep(database: Database, older_than: float, max_bytes: int) -> int:
    """Delete up to `SWEPT_AT_ONCE` jobs, the oldest first; call again until it returns 0.

    Deleted are jobs that ended before `older_than`, in Unix seconds, and the first that ended while all together have
    more than `max_bytes`. Returns how many were deleted.
    """
    ended = jobs.c.state.not_in(LIVE)
    with database.begin() as connection:
        total = connection.scalar(select(func.sum(jobs.c.size))) or 0
        oldest = select(jobs.c.n, jobs.c.ended, jobs.c.size).where(ended).order_by(jobs.c.ended).limit(SWEPT_AT_ONCE)
        old: list[int] = []
        for n, when, size in connection.execute(oldest).all():
            if when >= older_than and total <= max_bytes:
                break
            total -= size
            old.append(n)
        _remove(connection, old)
    return len(old)


def _remove(connection: Connection, numbers: list[int]) -> None:
    connection.execute(delete(jobs).where(jobs.c.n.in_(numbers)))
    connection.execute(delete(log).where(log.c.job.in_(numbers)))


def _named(scope: str, job_id: str) -> ColumnElement[bool]:
    return (jobs.c.scope == scope) & (jobs.c.id == job_id)
