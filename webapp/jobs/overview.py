"""What operators see of the jobs of all keys. Each function is one transaction, called in a thread."""

import msgspec
from sqlalchemy import ColumnElement, func, select

from webapp.database.database import Database
from webapp.jobs.job import IN_PROGRESS, LIVE, NOBODY, QUEUED, Seen
from webapp.jobs.log.record import Progress
from webapp.jobs.tables import jobs, log

MOST_LISTED = 100
MOST_COUNTED = 10_000


def overview(database: Database, kind: str) -> tuple[list[Seen], int]:
    """Return the jobs of `kind` that have not ended, `MOST_LISTED` at most: first those in progress,
    each the oldest first.

    Also returns how many there are in all, of which no more than `MOST_COUNTED` are counted.
    """
    own = jobs.c.kind == kind
    # A queued job has no owner: with it the index has them in their order, however many they are. They are read first:
    # one that a worker takes meanwhile is seen twice, not missed.
    states = ((jobs.c.state == QUEUED) & (jobs.c.owner == NOBODY), jobs.c.state == IN_PROGRESS)
    columns = [jobs.c[name] for name in ("n", "id", "scope", "state", "created")]
    counted = select(jobs.c.n).where(own, jobs.c.state.in_(LIVE)).limit(MOST_COUNTED).subquery()
    is_last = (log.c.job == jobs.c.n) & (log.c.number == jobs.c.records - 1)
    last = select(log.c.job, log.c.record).join(jobs, is_last)
    with database.begin() as connection:
        wanted = [select(*columns).where(own, state).order_by(jobs.c.n).limit(MOST_LISTED) for state in states]
        queued, begun = ({row.n: row for row in connection.execute(each)} for each in wanted)
        rows = list((begun | {n: row for n, row in queued.items() if n not in begun}).values())[:MOST_LISTED]
        records = connection.execute(last.where(jobs.c.n.in_([row.n for row in rows]))).all()
        total = connection.scalar(select(func.count()).select_from(counted)) or 0
    tokens = {n: _progress(record).tokens for n, record in records}
    return [Seen(row.id, row.scope, row.state, row.created, tokens.get(row.n, 0)) for row in rows], total


def scope_of(database: Database, kind: str, job_id: str) -> str | None:
    """Return the scope of a job of `kind` that has not ended. None: there is no such job."""
    found: ColumnElement[bool] = (jobs.c.id == job_id) & (jobs.c.kind == kind) & jobs.c.state.in_(LIVE)
    with database.begin() as connection:
        scope: str | None = connection.scalar(select(jobs.c.scope).where(found))
    return scope


_progress = msgspec.msgpack.Decoder(Progress).decode
