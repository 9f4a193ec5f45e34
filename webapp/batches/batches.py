"""The batches of a web worker: make one, list, cancel; and run those that it takes."""

import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

import gevent
import msgspec
from gevent.threadpool import ThreadPool

from schemas.errors import ApiError, invalid, overloaded, quoted
from schemas.requests.batches import seconds_of
from schemas.shared.ids import may_be_id, new_id
from webapp.api_keys import ApiKey
from webapp.batches.batch import CANCELLED, CANCELLING, Batch, NoInput
from webapp.batches.database import batches_database
from webapp.batches.pace import Pace
from webapp.batches.run import BatchRun
from webapp.database.sweeping import Sweeping
from webapp.database.thread import in_one_line
from webapp.files.file import Listing
from webapp.files.files import DAY
from webapp.jobs.job import Job, TooMany
from webapp.jobs.jobs import Jobs
from webapp.middleware import auth

log = logging.getLogger("hearth.batches")

KIND = "batch"
"""`Job.kind` of a batch's job."""
MOST_RUNNING = 8
"""Batches that a worker runs at a time. They take turns with their lines; others wait in line."""

Result = TypeVar("Result")


class Batches:
    """All of a worker's work with batches. `scope` is `ApiKey.scope`: each key sees only its own."""

    def __init__(self, jobs: Jobs) -> None:
        """Nothing is connected before the first batch is made, or found to have been made by another worker."""
        self.shared = jobs.shared
        settings = jobs.shared.settings
        self.owner = jobs.leases.owner
        """This worker, as the leases name it."""
        self.pace = Pace(jobs.shared.engine, settings.batch_at_once)
        self._jobs = jobs
        self._most = settings.jobs_per_key
        self._file_seconds = settings.file_max_days * DAY
        self._database = batches_database(settings.database_url)
        self._thread: ThreadPool | None = None
        self._running: dict[int, BatchRun] = {}
        self._sweeping = Sweeping(self.sweep)
        jobs.leases.serve(KIND, self)

    def call(self, name: str, *arguments: Any) -> Any:
        """Return what a function of `store` returns. Raises what the database raises."""
        return self._database.call(name, *arguments)

    def in_thread(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """Return what `work` returns in a thread for the lines of batches alone. Raises what it raises."""
        if self._thread is None:
            self._thread = ThreadPool(1)
        result: Result | ApiError = self._thread.apply(_attempt, (work, *arguments))
        if isinstance(result, ApiError):
            raise result
        return result

    def close(self) -> None:
        """Close the connection, and end the threads."""
        self._database.close()
        if self._thread is not None:
            self._thread.kill()

    # ---- for clients -----------------------------------------------------------------------------------------------

    def make(self, key: ApiKey | None, body: dict[str, Any]) -> Batch:
        """Make a batch of a valid body. Raises `ApiError`: 400 without such a file, 429, 503."""
        now = time.time()
        kept = body["output_expires_after"]
        batch = Batch(
            id=new_id("batch"),
            scope=auth.scope(key),
            key="" if key is None else key.name,
            endpoint=body["endpoint"],
            input_file_id=body["input_file_id"],
            completion_window=body["completion_window"],
            metadata=msgspec.json.encode(body["metadata"]).decode(),
            output_file_id=new_id("file", "-"),
            error_file_id=new_id("file", "-"),
            output_seconds=self._file_seconds if kept is None else kept["seconds"],
            created=now,
            expires=now + seconds_of(body["completion_window"]),
        )
        job = Job(id=new_id("job"), scope=batch.scope, kind=KIND, created=now)
        self._jobs.expect()
        try:
            self._database.checked("make", batch, job, self._most)
        except NoInput:
            message = f"There is no file {quoted(batch.input_file_id)} that was uploaded with the purpose `batch`."
            raise invalid(message, "input_file_id", "file_not_found") from None
        except TooMany:
            raise overloaded(f"The limit of this key's jobs is reached: {self._most}", "too_many_jobs", 30) from None
        self._jobs.leases.look_soon()
        return batch

    def find(self, scope: str, batch_id: str) -> Batch:
        """Return a batch. Raises `ApiError`: 404, 503."""
        batch: Batch | None = self._database.checked("find", scope, batch_id) if may_be_id(batch_id) else None
        if batch is None:
            raise ApiError(404, f"No such Batch object: {quoted(batch_id)}.", param="id", code="batch_not_found")
        return batch

    def page(self, scope: str, listing: Listing) -> list[Batch]:
        """Return a page of the key's batches, and one more if another page follows. Raises `ApiError`: 400, 503."""
        found: list[Batch] | None = self._database.checked("page", scope, listing)
        if found is None:
            raise invalid(f"Invalid value for `after`: There is no batch {quoted(listing.after)}.", "after")
        return found

    def cancel(self, scope: str, batch_id: str) -> Batch:
        """End a batch, and return it: its worker aborts the lines that the engine has. May be called twice.

        Raises `ApiError`: 400 if it has ended otherwise, 404, 503.
        """
        if may_be_id(batch_id):
            self._database.checked("cancel", scope, batch_id, time.time())
        batch = self.find(scope, batch_id)
        if batch.status not in (CANCELLING, CANCELLED):
            raise invalid(f"Cannot cancel a batch with status '{batch.status}'.", "id")
        if (run := self._running.get(batch.n)) is not None:
            run.cancel()
        return batch

    # ---- for the leases --------------------------------------------------------------------------------------------

    def room(self) -> int:
        engine = self.shared.engine
        engine.connect()
        if engine.welcome is None or not engine.load.ready:
            return 0  # what is free stays so, for a worker that has an engine
        return MOST_RUNNING - len(self._running)

    def begin(self, job: Job) -> BatchRun:
        self._running[job.n] = run = BatchRun(self, job)
        gevent.spawn(run.run).rawlink(lambda greenlet: self._end(job.n, run))
        return run

    def _end(self, n: int, run: BatchRun) -> None:
        """Forget a batch that has ended, or that another worker goes on with; or this one, with another run."""
        if self._running.get(n) is run:
            del self._running[n]
            self._jobs.leases.drop(n, run.epoch)
        self._jobs.leases.look_soon()

    def sweep_sometimes(self) -> None:
        """Delete old batches now and then."""
        self._sweeping.begin_if_due()

    def sweep(self) -> None:
        """Delete batches that are older than their files may be."""
        try:
            while self._database.call("sweep_batches", time.time() - 2 * self._file_seconds):
                pass
        except Exception as error:
            log.error("old batches could not be deleted: %s", in_one_line(error))


def _attempt(work: Callable[..., Result], *arguments: Any) -> Result | ApiError:
    """Return an `ApiError` instead of raising it: gevent logs a traceback for each exception that leaves its thread."""
    try:
        return work(*arguments)
    except ApiError as error:
        return error.with_traceback(None)
