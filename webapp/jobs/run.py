"""Work on one job: have the engine generate it, and store what it sends before anybody sees it."""

import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import gevent
from msgspec import structs

from schemas import wire
from schemas.errors import ApiError
from schemas.replies.merging import merged
from webapp.answering.ongoing import Ongoing
from webapp.api_keys import ApiKey
from webapp.connection.yielding import let_others_run
from webapp.conversations.turns import StoredTurn
from webapp.database.thread import in_one_line, is_of_database
from webapp.engine.reply import HungUp, Reply
from webapp.jobs.job import CANCEL, CANCELLED, COMPLETED, DELETE, FAILED, INCOMPLETE, Held, Job
from webapp.jobs.log.live import LiveLog
from webapp.jobs.log.record import AT_ONCE, End, Problem, Record, Work, cost, encode_record
from webapp.jobs.log.rendering import complete, fill, make_shape
from webapp.jobs.log.writer import Write
from webapp.middleware.call import Call
from webapp.observing import traces
from webapp.observing.request_log import RequestLog

if TYPE_CHECKING:
    from webapp.jobs.jobs import Jobs

Turns = tuple[str, str, Sequence[StoredTurn]]
log = logging.getLogger("hearth.jobs")

GROUP_SECONDS = 0.1
"""The least time from one record of a log to the next: each is a transaction."""
STORE_TRIES, STORE_PAUSE = 3, 0.5
"""How often a write is tried, and the seconds in between."""
BUSY_SECONDS = 1.0
"""How long a job waits before it asks an engine again that is not ready, or has no room in its queue."""
MOST_LOSSES = 5
"""A job that has lost more workers than this, and none of them stored anything, fails: it may be what ends them."""
HANDED_OVER = 202
"""The status in this worker's log of a job with which another goes on."""
WORKER_FAILED = "worker_failed"
"""The code of `unready.worker_failed`."""


class Run(Ongoing):
    """One job that this worker has, from the moment when it was taken."""

    def __init__(self, jobs: "Jobs", job: Job, work: Work, call: Call | None, earlier: list[Record]) -> None:
        """`call`: the HTTP request that has made it. None: another worker has. `earlier` are the records of its log."""
        self.job = job
        self.work = work
        self.epoch = job.epoch
        self.live = LiveLog(len(earlier))
        self._jobs = jobs
        self._shape = make_shape(work)
        self._earlier = earlier
        self._reads = job.reads
        self._wish = job.wish
        self._stopped = False
        self._ending = False
        """Whether its last record is being stored: nothing can be wished any more."""
        self._accepted: wire.Accepted | None = None
        """What the engine sent when it accepted the request, once that is stored."""
        user = work.generate.user
        call, awaited = call or _call_of(work), call is not None
        record = RequestLog(call, stream=True, user=user, shape=self._shape, awaited=awaited)
        super().__init__(jobs.shared, record)

    # ---- what others want of it ------------------------------------------------------------------------------------

    def heard(self, held: Held) -> None:
        if held.reads != self._reads:
            self._reads = held.reads
            self.live.note_reader()
        if held.wish:
            self.wish(held.wish)
        elif not self.work.background and self.live.unread_seconds() > self._shared.settings.resume_seconds:
            log.info("%s is cancelled: nobody has read it for a while", self.job.id)
            self.wish(CANCEL)

    def wish(self, wish: str) -> None:
        """Cancel or delete the job, as a client wishes. Its sequences are aborted in the engine at once."""
        if not self._ending:
            self._wish = wish
            self._interrupt()

    def stop(self) -> None:
        if not self.live.unstored:  # its client gets the rest, which nobody else has
            self._stopped = True
            self._interrupt()

    def _interrupt(self) -> None:
        if self._reply is not None:
            self._reply.hang_up()

    # ---- its work --------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Work on the job until it ends, or is another worker's. Raises nothing."""
        try:
            self._work()
        except (HungUp, _NoLongerOurs):
            self._on_interrupt()
        except ApiError as error:
            self._end_failed(error)
        except Exception:
            log.exception("%s has failed", self.job.id)
            message = "The server has failed on this request, and on no other."
            self._end_failed(ApiError(500, message, type="server_error", code="internal_error"))
        finally:
            self.live.close()
            self._jobs.ended(self)
            self.close()

    def _work(self) -> None:
        if self.job.losses > MOST_LOSSES:
            message = f"{self.job.losses} web workers were lost while they worked on this request."
            raise ApiError(500, message, type="server_error", code="workers_lost", final=True)
        received = self._restore()
        deadline = time.monotonic() + self.work.seconds
        while True:
            try:
                return self._generate(received)
            except ApiError as error:
                if not self._can_wait(error) or time.monotonic() > deadline:
                    raise
            self._release()
            gevent.sleep(BUSY_SECONDS)
            self._check_interrupt()

    def _can_wait(self, error: ApiError) -> bool:
        """Return whether to begin the request again later: no engine was ready, or had room, for one that is queued."""
        queued = self.work.background or self.epoch > 1
        return queued and self.live.count == 0 and error.status in (429, 503) and error.code != WORKER_FAILED

    def _restore(self) -> list[wire.Delta]:
        """Make the reply of what is stored, and return the deltas in it."""
        received: list[wire.Delta] = []
        spent = 0
        for record in self._earlier:
            fill(self._shape, [record])
            self._accepted = record.accepted or self._accepted
            received += record.deltas
            spent += cost(record)
            if spent > AT_ONCE:
                let_others_run()
                spent = 0
        self._earlier = []
        return received

    def _generate(self, received: list[wire.Delta]) -> None:
        """Have an engine generate the answer, after what is `received`, and store it. Raises `ApiError`, `HungUp`."""
        self._check_interrupt()
        engine = self._shared.engine
        generate = structs.replace(self.work.generate, id=engine.next_id(), trace=self._record.trace_parent)
        if received:
            self._reply = reply = engine.take_up(generate, self.work.fingerprint, received)
        else:
            reply = self._submit(generate)
        self._limit(reply, self.work.seconds)
        record = Record()
        while not reply.consumed:
            record = self._received(reply)
            self._check_interrupt()
            if not reply.consumed:
                self._store(record)
                record = Record()
                if not reply.behind:
                    gevent.sleep(GROUP_SECONDS)
        self._end_complete(record)

    def _received(self, reply: Reply) -> Record:
        """Return what the engine sends next."""
        record = Record(deltas=merged(reply.deltas()))
        self._record.on_text()
        if self._accepted is None:
            record.accepted = self._accepted = reply.accepted
        fill(self._shape, [record])
        record.tokens = self._shape.completion_tokens
        return record

    def _check_interrupt(self) -> None:
        if self._stopped or self._wish:
            raise HungUp

    # ---- its log ---------------------------------------------------------------------------------------------------

    def _store(self, record: Record, state: str | None = None, turns: Sequence[Turns] = ()) -> None:
        """Store `record`, and show it to the readers. Raises `_NoLongerOurs` if the job is another worker's."""
        if not self.live.unstored:
            ended = 0.0 if record.end is None else time.time()
            write = Write(
                n=self.job.n,
                epoch=self.epoch,
                first=self.live.count,
                records=[encode_record(record)],
                state=state,
                ended=ended,
                turns=turns,
            )
            if not self._written(write):
                self._stopped = True
                raise _NoLongerOurs
        if self.live.full:
            raise ApiError(503, "The client reads the stream too slowly.", type="server_error", code="slow_reader")
        self.live.add(record)

    def _written(self, write: Write) -> bool:
        """Return whether the job is still this worker's. Where the database fails, it is only as long as somebody in
        this worker reads.
        """
        for _ in range(STORE_TRIES):
            try:
                return self._jobs.writer.write(write)
            except Exception as error:
                if not is_of_database(error):
                    raise
                log.error("%s cannot be stored: %s", self.job.id, in_one_line(error))
            gevent.sleep(STORE_PAUSE)
        self.live.unstored = self.live.readers > 0
        return self.live.unstored

    def _end_complete(self, record: Record) -> None:
        """Store the last record, and with it what is to be kept of the answer."""
        self._ending = True
        choice = self._shape.choices[0]
        cut_off = self.work.api == "response" and choice.finish_reason == "length"
        record.end = End(INCOMPLETE if cut_off else COMPLETED, int(time.time()))
        complete(self._shape, record.end)
        turns: list[Turns] = []
        if self.work.keeping is not None:
            kept = self._shared.loader.apply(self.work.keeping.turns, (self._shape,))
            turns = [(self.job.scope, name, dated(stored, record.end.at)) for name, stored in kept]
        self._store(record, record.end.state, turns)
        self._record.on_end(200)

    def _end_failed(self, error: ApiError) -> None:
        self._record.on_end(error.status)
        if error.code != WORKER_FAILED:  # another worker goes on with it
            self._end_early(End(FAILED, int(time.time()), Problem.of(error.rename(self._shape.engine_names))))

    def _on_interrupt(self) -> None:
        if self._stopped:
            self._record.on_end(HANDED_OVER)
        else:
            self._end_early(End(CANCELLED, int(time.time())))

    def _end_early(self, end: End) -> None:
        """Store that the job has ended without its whole answer, or delete it, as its client wishes."""
        self._ending = True
        try:
            if self._wish == DELETE:
                self._jobs.delete_row(self.job.n)
            else:
                self._store(Record(end=end), end.state)
        except _NoLongerOurs:
            log.info("%s has ended in this worker, and another has it", self.job.id)
        except Exception:
            log.exception("the end of %s cannot be stored", self.job.id)


class _NoLongerOurs(Exception):
    """Another worker has the job, or will have it."""


def dated(turns: Sequence[StoredTurn], when: int) -> Sequence[StoredTurn]:
    """Return `turns` as stored at `when`."""
    for turn in turns:
        turn.created = float(when)
    return turns


def _call_of(work: Work) -> Call:
    """Return a call that stands for the HTTP request which made the job, and which another worker had."""
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": work.path, traces.VARIABLE: work.generate.trace}
    return Call(environ, work.path, work.generate.request_id, ApiKey(work.key, b"", work.generate.tenant))
