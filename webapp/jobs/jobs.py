"""The jobs of a web worker: make one, follow it, cancel it, delete it; and take those of others."""

import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent

from schemas.errors import overloaded
from webapp.answering.request_body import in_thread
from webapp.database.sweeping import Sweeping
from webapp.database.thread import in_one_line
from webapp.engine.packing import is_large
from webapp.jobs.database import jobs_database
from webapp.jobs.job import CANCEL, DELETE, IN_PROGRESS, LIVE, Job, Seen, TooMany
from webapp.jobs.leases import Leases
from webapp.jobs.log.live import LiveLog
from webapp.jobs.log.reader import Reader
from webapp.jobs.log.record import Record, Work, encode_work
from webapp.jobs.log.writer import LogWriter
from webapp.jobs.run import Run
from webapp.jobs.taking import Taking
from webapp.middleware.call import Call
from webapp.services import Services
from webapp.settings import MIB

log = logging.getLogger("hearth.jobs")

BACKGROUND, STREAM = "background", "stream"
"""The kinds of jobs here: work for which nobody waits, and streams that can be resumed."""
MOST_STREAMS = 1000
"""The most resumable streams that one worker takes over."""
SETTLE_SECONDS = 3.0
"""How long a cancellation waits until the job's owner, in another worker, has ended it."""
SETTLE_PAUSE = 0.1
HOUR = 3600.0
"""Seconds."""
LIVE_FILE = "jobs.live"
"""A file in the run directory. Where it is missing, and the database is SQLite's, no job is live, and no worker looks
for one: to do so takes 15 MB.
"""
EXPECTED_SECONDS = 60.0
"""How long a worker that has made a job looks for jobs whatever becomes of the file."""
QUIET_SECONDS = 5.0
"""How old the file must be before it is removed: a job may be about to be stored."""


class Jobs:
    """All of a worker's work with jobs. `scope` is `ApiKey.scope`: each key sees only its own."""

    def __init__(self, shared: Services) -> None:
        """Nothing is connected before the first job is made, or found to have been made by another worker."""
        self.shared = shared
        settings = shared.settings
        self._writing = jobs_database(settings.database_url)
        self._reading = jobs_database(settings.database_url)
        """A thread of its own: whoever reads a long log keeps no beat waiting."""
        self.leases = Leases(self._writing.call)
        self.writer = LogWriter(self._writing.call, self.leases.owner)
        self._runs: dict[int, Run] = {}
        self.leases.serve(BACKGROUND, Taking(self, BACKGROUND, settings.jobs_at_once))
        self.leases.serve(STREAM, Taking(self, STREAM, MOST_STREAMS))
        on_this_host = settings.database_url.startswith("sqlite")
        self._marker: Path | None = settings.run_dir / LIVE_FILE if on_this_host else None
        self._expected_until = 0.0
        self._started = False
        self._sweeping = Sweeping(self.sweep)

    def start(self, alive: Callable[[], bool] = lambda: True) -> None:
        """Take jobs from now on, until this worker is no longer `alive`."""
        if not self._started:
            self._started = True
            gevent.spawn(self.leases.run, self._are_expected, alive, self._on_seen)

    def close(self) -> None:
        """Give all jobs back, and close the connections."""
        self.leases.end()
        self._writing.close()
        self._reading.close()

    # ---- make, find, end --------------------------------------------------------------------------------------------

    def make(self, call: Call, work: Work) -> Job:
        """Make a job: in the background, or begun at once. Raises `ApiError`: 400, 429, 503."""
        job = Job(
            id=work.generate.name,
            scope=call.scope,
            kind=BACKGROUND if work.background else STREAM,
            created=time.time(),
            request=in_thread(encode_work, work) if is_large(work.generate) else encode_work(work),
        )
        job.size = len(job.request)
        own = not work.background and not self.leases.ended  # a worker that ends leaves new jobs to the others, too
        if not work.background:
            job.state = IN_PROGRESS
        if own:
            job.owner, job.epoch = self.leases.owner, 1
        self.expect()
        most = self.shared.settings.jobs_per_key
        try:
            job.n = self._writing.checked("add", job, most)
        except TooMany:
            raise overloaded(f"The limit of this key's jobs is reached: {most}", "too_many_jobs", 30) from None
        self._mark()
        if own:
            run = Run(self, job, work, call, [])
            self.leases.hold(job.n, run)
            self.add(run)
            gevent.spawn(run.run)
        else:
            self.leases.look_soon()
        return job

    def expect(self) -> None:
        """Look for jobs from now on, in this worker and the others: one is about to be stored."""
        self._mark()
        self._expected_until = time.monotonic() + EXPECTED_SECONDS
        self.start()

    def find(self, scope: str, job_id: str) -> Job | None:
        """Return the job. Raises `ApiError` (503)."""
        found: Job | None = self._reading.checked("find", scope, job_id)
        return found

    def log(self, job: Job) -> list[Record]:
        """Return all records of a job's log. Raises `ApiError` (503)."""
        return _all_records(self._reading.checked, job.n)

    def cancel(self, scope: str, job_id: str, wish: str = CANCEL) -> bool:
        """Have a job's owner end it, and wait for a while until it has. Returns whether it was live.

        Raises `ApiError` (503).
        """
        live: bool = self._writing.checked("express_wish", scope, job_id, wish, time.time())
        job = self.find(scope, job_id) if live else None
        if job is not None:
            if job.n in self._runs:
                self._runs[job.n].wish(wish)
            until = time.monotonic() + SETTLE_SECONDS
            while self._reading.checked("state_of", job.n) in LIVE and time.monotonic() < until:
                gevent.sleep(SETTLE_PAUSE)
        return live

    def delete(self, scope: str, job_id: str) -> bool:
        """Delete a job; one that has not ended is cancelled. Returns whether there was one. Raises `ApiError` (503)."""
        live = self.cancel(scope, job_id, DELETE)
        return self._writing.checked("remove_ended", scope, job_id) or live

    def overview(self) -> tuple[list[Seen], int]:
        """Return the background jobs of all keys that have not ended, as many as are listed, and how many there are.

        Raises `ApiError` (503).
        """
        if not self._are_expected():
            return [], 0
        found: tuple[list[Seen], int] = self._reading.checked("overview", BACKGROUND)
        return found

    def end(self, job_id: str) -> bool:
        """Cancel a background job of any key, as an operator wishes. Returns whether it was live.

        Raises `ApiError` (503).
        """
        scope = self._reading.checked("scope_of", BACKGROUND, job_id)
        if scope is None:
            return False
        log.warning("%s is ended by an operator", job_id)
        return self.cancel(scope, job_id)

    def reader(self, job: Job) -> Reader:
        """Return a reader of the job's log. Close it."""
        return Reader(self, job, self.live_log(job.n))

    def sweep(self) -> None:
        """Delete jobs that ended longer ago than the settings allow, and the oldest while all take too much space."""
        settings = self.shared.settings
        older_than, most = time.time() - settings.retention_hours * HOUR, int(settings.conversation_max_mb * MIB)
        try:
            while self._writing.call("sweep", older_than, most):  # other jobs use the thread in between
                pass
        except Exception as error:
            log.error("old jobs could not be deleted: %s", in_one_line(error))

    # ---- for runs, readers and leases --------------------------------------------------------------------------------

    def live_log(self, n: int) -> LiveLog | None:
        """Return the log of a job that this worker has."""
        return self._runs[n].live if n in self._runs else None

    def read(self, name: str, *arguments: Any) -> Any:
        """Return what a function of `store` reads. Raises what the database raises."""
        return self._reading.call(name, *arguments)

    def records(self, n: int) -> list[Record]:
        """Return all records of a job's log. Raises what the database raises."""
        return _all_records(self._reading.call, n)

    def delete_row(self, n: int) -> None:
        """Delete a job that this worker has."""
        self._writing.call("remove", n)

    def add(self, run: Run) -> None:
        """Note that this worker has the job of `run`."""
        self._runs[run.job.n] = run

    def ended(self, run: Run) -> None:
        """Forget a job that has ended, or is another worker's."""
        if self._runs.get(run.job.n) is run:
            del self._runs[run.job.n]
        self.leases.drop(run.job.n, run.epoch)
        self.leases.look_soon()
        self._sweeping.begin_if_due()

    def _are_expected(self) -> bool:
        """Return whether a job may be live. On PostgreSQL one of another host may be."""
        return self._marker is None or self._marker.exists() or time.monotonic() < self._expected_until

    def _mark(self) -> None:
        if self._marker is not None:
            with contextlib.suppress(OSError):  # a full disk: the job itself cannot be stored either
                self._marker.touch()

    def _on_seen(self, live: bool) -> None:
        """Keep the file, or remove it where no job is live. Another worker may have marked it since: that one's own
        look, which sees its job, marks it again.
        """
        if live:
            self._mark()
        elif self._marker is not None:
            with contextlib.suppress(OSError):
                if time.time() - self._marker.stat().st_mtime > QUIET_SECONDS:
                    self._marker.unlink()


def _all_records(read: Callable[..., Any], n: int) -> list[Record]:
    """Return all records of a job's log. `read` calls a function of `store`."""
    found: list[Record] = []
    while part := read("decoded_records", n, len(found)):
        found += part
    return found
