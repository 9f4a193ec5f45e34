"""The SQL of batches. Each function is one transaction, called in a thread.

A worker's writes are conditional on its lease (`webapp/jobs/leases.py`): a result is stored together with the check
that the batch is still this worker's, and a line's number is a key. So no line has two results, whoever dies when.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from webapp.batches.batch import (
    CANCELLED,
    CANCELLING,
    COMPLETED,
    EXPIRED,
    FAILED,
    IN_PROGRESS,
    LIVE,
    VALIDATING,
    Batch,
    Counts,
    NoInput,
)
from webapp.batches.tables import batches
from webapp.database.database import Database
from webapp.database.rows import insert_row
from webapp.files.file import BATCH, BATCH_OUTPUT, GONE, READY, WRITTEN, File, Listing
from webapp.files.store import insert_parts
from webapp.files.tables import files, paged, parts
from webapp.jobs import job as states
from webapp.jobs.job import Job, TooMany
from webapp.jobs.tables import jobs

SWEPT_AT_ONCE = 200
_ENDED = {
    COMPLETED: states.COMPLETED,
    EXPIRED: states.INCOMPLETE,
    FAILED: states.FAILED,
    CANCELLED: states.CANCELLED,
}
"""The state of the job by that of the batch."""


def make(database: Database, batch: Batch, job: Job, most: int) -> None:
    """Insert a batch, the job that runs it, and its files of results.

    Raises `NoInput`, and `TooMany` if its key has `most` jobs that have not ended.
    """
    with database.begin() as connection:
        of_key = (jobs.c.scope == job.scope) & jobs.c.state.in_(states.LIVE)
        if (connection.scalar(select(func.count()).select_from(jobs).where(of_key)) or 0) >= most:
            raise TooMany
        usable = (files.c.scope == batch.scope) & (files.c.state == READY) & (files.c.purpose == BATCH)
        read = update(files).where(usable, files.c.id == batch.input_file_id).values(readers=files.c.readers + 1)
        found: int | None = connection.scalar(read.returning(files.c.n))
        if found is None:
            raise NoInput
        batch.input_n = found
        batch.n = insert_row(connection, jobs, job)
        batch.output_n = insert_row(connection, files, _results_of(batch, batch.output_file_id, "output"))
        batch.error_n = insert_row(connection, files, _results_of(batch, batch.error_file_id, "error"))
        connection.execute(insert(batches).values(**msgspec.structs.asdict(batch)))


def _results_of(batch: Batch, file_id: str, what: str) -> File:
    return File(
        id=file_id,
        scope=batch.scope,
        filename=f"{batch.id}_{what}.jsonl",
        purpose=BATCH_OUTPUT,
        state=WRITTEN,
        created=batch.created,
        expires=batch.created,
    )


def find(database: Database, scope: str, batch_id: str) -> Batch | None:
    """Return a batch. None: there is none, or another key has it."""
    with database.begin() as connection:
        row = connection.execute(select(batches).where(_named(scope, batch_id))).one_or_none()
    return None if row is None else _batch_of(row)


def find_by_number(database: Database, n: int) -> Batch | None:
    """Return the batch of job `n`."""
    with database.begin() as connection:
        row = connection.execute(select(batches).where(batches.c.n == n)).one_or_none()
    return None if row is None else _batch_of(row)


def page(database: Database, scope: str, listing: Listing) -> list[Batch] | None:
    """Return a page of the key's batches, and one more if another page follows. None: `after` is unknown."""
    first = None
    with database.begin() as connection:
        if listing.after is not None:
            first = connection.scalar(select(batches.c.n).where(_named(scope, listing.after)))
            if first is None:
                return None
        rows = connection.execute(paged(batches, batches.c.scope == scope, listing, first))
        return [_batch_of(row) for row in rows]


def cancel(database: Database, scope: str, batch_id: str, now: float) -> bool:
    """Have the batch's worker end it; one that no worker has ends at once. Returns whether there is such a batch."""
    with database.begin() as connection:
        n = connection.scalar(select(batches.c.n).where(_named(scope, batch_id)))
        live = (jobs.c.n == n) & jobs.c.state.in_(states.LIVE)
        connection.execute(update(jobs).where(live).values(wish=states.CANCEL))
        running = (batches.c.n == n) & batches.c.status.in_((VALIDATING, IN_PROGRESS))
        wish = update(batches).where(running).values(status=CANCELLING, cancelling_at=now)
        row = connection.execute(wish.returning(*batches.c)).one_or_none()
        free = update(jobs).where(live, jobs.c.owner == states.NOBODY).values(state=states.CANCELLED, ended=now)
        if row is not None and connection.execute(free).rowcount:
            _end(connection, _batch_of(row), CANCELLED, now)
    return n is not None


def begin(database: Database, batch: Batch, owner: str, epoch: int, now: float) -> bool:
    """Note that the file is valid: how many lines it has, and what is served. Returns whether the batch is still this
    worker's.
    """
    with database.begin() as connection:
        if not _owns(connection, batch.n, owner, epoch):
            return False
        valid = (batches.c.n == batch.n) & (batches.c.status == VALIDATING)
        found = {"total": batch.total, "model": batch.model, "adapters": batch.adapters}
        values = {"status": IN_PROGRESS, "in_progress_at": now, **found}
        connection.execute(update(batches).where(valid).values(**values))
    return True


def done(database: Database, batch: Batch) -> set[int]:
    """Return the numbers of the lines that have a result."""
    with database.begin() as connection:
        of = parts.c.file.in_((batch.output_n, batch.error_n))
        return set(connection.scalars(select(parts.c.number).where(of)))


def add_results(
    database: Database,
    batch: Batch,
    owner: str,
    epoch: int,
    results: Sequence[tuple[int, bool, bytes]],
    counts: Counts,
) -> bool:
    """Store results: for each the number of its line, whether it is an error, and the result's own line.

    Returns whether the batch is still this worker's: if not, nothing was stored.
    """
    with database.begin() as connection:
        if not _owns(connection, batch.n, owner, epoch):
            return False
        for n, failed in ((batch.output_n, False), (batch.error_n, True)):
            own = [(number, line) for number, is_error, line in results if is_error is failed]
            insert_parts(connection, n, own)
            size = sum(len(line) for _, line in own)
            connection.execute(update(files).where(files.c.n == n).values(bytes=files.c.bytes + size))
        more: dict[str, Any] = {name: batches.c[name] + value for name, value in msgspec.structs.asdict(counts).items()}
        connection.execute(update(batches).where(batches.c.n == batch.n).values(**more))
    return True


def end(database: Database, batch: Batch, owner: str, epoch: int, status: str, errors: str, now: float) -> bool:
    """End a batch: one that is to be cancelled is cancelled. Returns whether it was still this worker's."""
    with database.begin() as connection:
        state = {"state": _ENDED[status], "ended": now}
        if not connection.execute(update(jobs).where(_own(batch.n, owner, epoch)).values(**state)).rowcount:
            return False
        connection.execute(update(batches).where(batches.c.n == batch.n).values(errors=errors))
        current = connection.scalar(select(batches.c.status).where(batches.c.n == batch.n))
        _end(connection, batch, CANCELLED if current == CANCELLING else status, now)
    return True


def _end(connection: Connection, batch: Batch, status: str, now: float) -> None:
    has: dict[str, bool] = {}
    for n, name in ((batch.output_n, "has_output"), (batch.error_n, "has_errors")):
        size = connection.scalar(select(files.c.bytes).where(files.c.n == n)) or 0
        has[name] = size > 0
        values = {"state": READY if size else GONE, "created": now, "expires": now + batch.output_seconds}
        connection.execute(update(files).where(files.c.n == n).values(**values))
    times = {"finalizing_at": now} if status == COMPLETED else {}
    own = batches.c.n == batch.n
    connection.execute(update(batches).where(own).values(status=status, **{f"{status}_at": now}, **times, **has))
    connection.execute(update(files).where(files.c.n == batch.input_n).values(readers=files.c.readers - 1))


def sweep_batches(database: Database, older_than: float) -> int:
    """Delete up to `SWEPT_AT_ONCE` batches that have ended and were created before `older_than`, in Unix seconds.

    Returns how many were deleted.
    """
    old = batches.c.status.not_in(LIVE) & (batches.c.created < older_than)
    with database.begin() as connection:
        numbers = list(connection.scalars(select(batches.c.n).where(old).limit(SWEPT_AT_ONCE)))
        connection.execute(delete(batches).where(batches.c.n.in_(numbers)))
    return len(numbers)


def _owns(connection: Connection, n: int, owner: str, epoch: int) -> bool:
    """Return whether the batch is still this worker's, and keep it so until the transaction ends."""
    return bool(connection.execute(update(jobs).where(_own(n, owner, epoch)).values(epoch=epoch)).rowcount)


def _own(n: int, owner: str, epoch: int) -> ColumnElement[bool]:
    return (jobs.c.n == n) & (jobs.c.owner == owner) & (jobs.c.epoch == epoch) & jobs.c.state.in_(states.LIVE)


def _named(scope: str, batch_id: str) -> ColumnElement[bool]:
    return (batches.c.scope == scope) & (batches.c.id == batch_id)


def _batch_of(row: Any) -> Batch:
    return Batch(**{name: getattr(row, name) for name in Batch.__struct_fields__})
