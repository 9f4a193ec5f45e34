"""Go on with jobs that this worker has taken: they were queued, given back, or lost by another."""

import logging
import time
from typing import TYPE_CHECKING

import gevent
import msgspec

from webapp.database.thread import in_one_line
from webapp.jobs.job import FAILED, Held, Job
from webapp.jobs.log.record import End, Problem, Record, decode_work, encode_record
from webapp.jobs.log.writer import Write
from webapp.jobs.run import Run

if TYPE_CHECKING:
    from webapp.jobs.jobs import Jobs

log = logging.getLogger("hearth.jobs")

UNREADABLE = Problem(500, "This release cannot read the request as it was stored.", "server_error", "job_unreadable")


class Taking:
    """One kind of job, as `leases.Kind`: no more than `most` at a time in this worker."""

    def __init__(self, jobs: "Jobs", kind: str, most: int) -> None:
        self._jobs = jobs
        self._kind = kind
        self._most = most
        self._taken: set[Taken] = set()

    def room(self) -> int:
        engine = self._jobs.shared.engine
        if engine.welcome is None or not engine.load.ready:
            return 0  # what is queued stays so, for a worker that has an engine
        return self._most - len(self._taken)

    def begin(self, job: Job) -> "Taken":
        taken = Taken(self._jobs, job)
        self._taken.add(taken)
        gevent.spawn(taken.run).rawlink(lambda greenlet: self._taken.discard(taken))
        return taken


class Taken:
    """A job from the moment when it is taken: its request and its log are read, and then it runs."""

    def __init__(self, jobs: "Jobs", job: Job) -> None:
        self._jobs = jobs
        self._job = job
        self.epoch = job.epoch
        self._run: Run | None = None
        self._stopped = False

    def heard(self, held: Held) -> None:
        if self._run is not None:
            self._run.heard(held)

    def stop(self) -> None:
        self._stopped = True
        if self._run is not None:
            self._run.stop()

    def run(self) -> None:
        """Read what is stored, and work on the job until it ends or is another worker's. Raises nothing."""
        jobs, job = self._jobs, self._job
        try:
            work = jobs.shared.loader.apply(decode_work, (job.request,))
            earlier = jobs.records(job.n)
        except Exception as error:
            log.error("%s cannot be taken up: %s", job.id, in_one_line(error))
            if isinstance(error, msgspec.MsgspecError):
                self._give_up()
            jobs.leases.drop(job.n, job.epoch)
            return
        if self._stopped:
            return
        job.request = b""
        self._run = run = Run(jobs, job, work, None, earlier)
        jobs.add(run)
        log.info("%s goes on in this worker, after %d records", job.id, len(earlier))
        run.run()

    def _give_up(self) -> None:
        """End a job whose request cannot be read: the next worker could not read it either."""
        end = End(FAILED, int(time.time()), UNREADABLE)
        write = Write(
            n=self._job.n,
            epoch=self.epoch,
            first=self._job.records,
            records=[encode_record(Record(end=end))],
            state=FAILED,
            ended=time.time(),
        )
        try:
            self._jobs.writer.write(write)
        except Exception as error:
            log.error("the end of %s cannot be stored: %s", self._job.id, in_one_line(error))
