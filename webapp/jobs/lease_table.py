"""The SQL of leases: who has a job. Each function is one transaction; it is called in a thread.

A job is taken by a compare-and-swap: an UPDATE whose conditions are what was seen of the row. No two workers can both
change one row, in SQLite or in PostgreSQL, so no two take one job.
"""

from sqlalchemy import ColumnElement, select, update

from webapp.database.database import Database
from webapp.database.rows import row_as
from webapp.jobs.job import CANCELLED, DELETE, IN_PROGRESS, LIVE, NOBODY, QUEUED, Held, Job, Sighting
from webapp.jobs.tables import jobs

MOST_SEEN = 500
"""Jobs of other workers that a worker watches. Of more, the others are watched when these have ended."""


def take_free(database: Database, kind: str, owner: str, most: int) -> list[Job]:
    """Take up to `most` jobs of `kind` that no worker has for `owner`: first those that were begun, each the oldest
    first.
    """
    taken: list[Job] = []
    for state in (IN_PROGRESS, QUEUED):
        free = (jobs.c.state == state) & (jobs.c.owner == NOBODY)
        if most > len(taken):
            wanted = select(jobs.c.n, jobs.c.epoch).where(free, jobs.c.kind == kind)
            with database.begin() as connection:
                seen = connection.execute(wanted.order_by(jobs.c.n).limit(most - len(taken))).all()
            found = (_take(database, (jobs.c.n == n) & (jobs.c.epoch == epoch) & free, owner, 0) for n, epoch in seen)
            taken += [job for job in found if job is not None]
    return taken


def take_lost(database: Database, seen: Sighting, owner: str) -> Job | None:
    """Take a job whose owner is lost. None: it is no longer as it was `seen`."""
    same = (jobs.c.owner == seen.owner) & (jobs.c.epoch == seen.epoch) & (jobs.c.beat == seen.beat)
    return _take(database, (jobs.c.n == seen.n) & same & jobs.c.state.in_(LIVE), owner, 1)


def _take(database: Database, where: ColumnElement[bool], owner: str, losses: int) -> Job | None:
    values = {"owner": owner, "epoch": jobs.c.epoch + 1, "beat": 0, "losses": jobs.c.losses + losses}
    with database.begin() as connection:
        row = connection.execute(
            update(jobs).where(where).values(state=IN_PROGRESS, **values).returning(*jobs.c)
        ).one_or_none()
    return None if row is None else row_as(Job, row)


def sightings(database: Database, owner: str) -> list[Sighting]:
    """Return up to `MOST_SEEN` live jobs of other workers than `owner`, the oldest first."""
    others = jobs.c.state.in_(LIVE) & jobs.c.owner.not_in((owner, NOBODY))
    columns = [jobs.c[name] for name in Sighting.__struct_fields__]
    with database.begin() as connection:
        return [Sighting(*row) for row in connection.execute(select(*columns).where(others).limit(MOST_SEEN))]


def any_live(database: Database) -> bool:
    """Return whether any job has not ended, whoever has it."""
    with database.begin() as connection:
        return connection.scalar(select(jobs.c.n).where(jobs.c.state.in_(LIVE)).limit(1)) is not None


def beat(database: Database, owner: str) -> None:
    """Show the other workers that `owner` lives."""
    with database.begin() as connection:
        connection.execute(update(jobs).where(_of(owner)).values(beat=jobs.c.beat + 1))


def held(database: Database, owner: str) -> list[Held]:
    """Return the live jobs that `owner` has."""
    columns = [jobs.c[name] for name in Held.__struct_fields__]
    with database.begin() as connection:
        return [Held(*row) for row in connection.execute(select(*columns).where(_of(owner)))]


def give_back(database: Database, owner: str) -> int:
    """Let other workers have the jobs of `owner` at once. Returns how many there were."""
    with database.begin() as connection:
        returned: int = connection.execute(
            update(jobs).where(_of(owner)).values(owner=NOBODY, epoch=jobs.c.epoch + 1)
        ).rowcount
    return returned


def give_back_one(database: Database, n: int, owner: str, epoch: int) -> None:
    """Let other workers have a job that `owner` has and does not work on."""
    with database.begin() as connection:
        own = _of(owner) & (jobs.c.n == n) & (jobs.c.epoch == epoch)
        connection.execute(update(jobs).where(own).values(owner=NOBODY, epoch=jobs.c.epoch + 1))


def express_wish(database: Database, scope: str, job_id: str, wish: str, now: float) -> bool:
    """Tell a job's owner that a client wishes it to be cancelled or deleted. A queued job has no owner: it is cancelled
    at once, `now`. Returns whether there is such a job and it has not ended.
    """
    live = (jobs.c.scope == scope) & (jobs.c.id == job_id) & jobs.c.state.in_(LIVE)
    queued = (jobs.c.owner == NOBODY) & (jobs.c.state == QUEUED)
    with database.begin() as connection:
        found: int = connection.execute(update(jobs).where(live, jobs.c.wish != DELETE).values(wish=wish)).rowcount
        connection.execute(update(jobs).where(live, queued).values(state=CANCELLED, ended=now))
    return found > 0


def _of(owner: str) -> ColumnElement[bool]:
    return (jobs.c.owner == owner) & jobs.c.state.in_(LIVE)
