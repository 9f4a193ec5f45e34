"""Run one batch: check its file, answer its lines, and store each result before another line begins in its place."""

import logging
import time
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import gevent
import msgspec
from gevent.pool import Group

from schemas.errors import ApiError
from schemas.replies.batches.results import refused, result
from webapp.api_keys import ApiKey
from webapp.batches import line as lines
from webapp.batches.batch import CANCELLED, CANCELLING, COMPLETED, EXPIRED, FAILED, VALIDATING, Batch, Counts, LineError
from webapp.batches.input import Splitter, Validation
from webapp.batches.line import LineAnswer, Prepared
from webapp.batches.results import NoLongerOurs, Results
from webapp.database.thread import in_one_line, is_of_database
from webapp.engine.reply import HungUp
from webapp.jobs.job import Held, Job
from webapp.middleware.call import Call

if TYPE_CHECKING:
    from webapp.batches.batches import Batches

log = logging.getLogger("hearth.batches")

BUSY_SECONDS = 2.0
"""How long a line waits before it asks an engine again that is not ready, or has no room in its queue."""
MOST_LOSSES = 20
"""A batch that has lost so many workers more than it has results fails: it may be what ends them."""
EXPIRED_AT_ONCE = 200
"""Lines that expire in one transaction."""
NOT_AGAIN = frozenset({"slow_reader"})
"""Codes of errors with the status 503 that would come again."""
WORKER_FAILED = "worker_failed"
"""The code of `unready.worker_failed`."""
LOST = LineError("workers_lost", "This server's workers were lost too often while they worked on the batch.")
LATE = {"code": "batch_expired", "message": "This request could not be executed before the completion window expired."}


class BatchRun:
    """One batch that this worker has, from the moment when it was taken."""

    def __init__(self, batches: "Batches", job: Job) -> None:
        self.epoch = job.epoch
        self._batches = batches
        self._job = job
        self._shared = batches.shared
        self._max_bytes = batches.shared.settings.max_body_bytes
        self._stopped = False
        self._cancelled = False
        self._failed = False
        """Whether a line has no result, for a reason that is not the line's."""
        self._lines = Group()
        self._live: set[LineAnswer] = set()

    # ---- what others want of it ------------------------------------------------------------------------------------

    def heard(self, held: Held) -> None:
        if held.wish:
            self.cancel()

    def cancel(self) -> None:
        """End the batch: the lines that the engine has are aborted."""
        self._cancelled = True
        self._interrupt()

    def stop(self) -> None:
        self._stopped = True
        self._interrupt()

    def _interrupt(self) -> None:
        for answer in list(self._live):
            answer.hang_up()

    def _check(self) -> None:
        """Raise `HungUp` if the batch is to be cancelled, or this worker cannot go on with it."""
        if self._stopped or self._cancelled or self._failed:
            raise HungUp

    # ---- its work --------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Work on the batch until it ends, or is another worker's. Raises nothing."""
        try:
            batch: Batch | None = self._batches.call("find_by_number", self._job.n)
            if batch is not None:
                self._work(batch)
        except NoLongerOurs:
            log.info("a batch is given to another worker: %s", self._job.id)
        except Exception as error:
            if is_of_database(error):
                log.error("a batch cannot go on: %s", in_one_line(error))
            else:
                log.exception("a batch has failed in this worker")
        finally:
            self.stop()
            self._lines.join()

    def _work(self, batch: Batch) -> None:
        results = Results(self._batches, batch, self.epoch)
        try:
            status, errors = self._outcome(batch, results)
        except HungUp:
            self._interrupt()
            self._lines.join()
            if self._stopped or self._failed:
                raise NoLongerOurs from None
            status, errors = CANCELLED, []
        results.write("end", status, msgspec.json.encode(errors).decode(), time.time())
        log.info("%s is %s", batch.id, status)
        self._batches.sweep_sometimes()

    def _outcome(self, batch: Batch, results: Results) -> tuple[str, list[LineError]]:
        """Return the status in which the batch ends, and what is wrong with its file. Raises `HungUp`."""
        if batch.status == CANCELLING:
            self._cancelled = True
        self._check()
        if batch.status == VALIDATING:
            validation = self._validate(batch)
            if validation.errors:
                return FAILED, validation.errors
            batch.total = validation.total
            self._note_model(batch)
            results.write("begin", time.time())
        done: set[int] = self._batches.call("done", batch)
        if self._job.losses > MOST_LOSSES + len(done):
            return FAILED, [LOST]
        late = self._answer_all(batch, done, results)
        return (EXPIRED if late else COMPLETED), []

    def _note_model(self, batch: Batch) -> None:
        """Have the batch keep to the model that is served now, or as soon as one is. Raises `HungUp`."""
        engine = self._shared.engine
        while (welcome := engine.welcome) is None or not engine.load.ready:
            self._check()
            if time.time() >= batch.expires:
                return
            gevent.sleep(BUSY_SECONDS)
        batch.model = welcome.served_names[0]
        batch.adapters = msgspec.json.encode(list(welcome.adapters)).decode()

    def _validate(self, batch: Batch) -> Validation:
        validation = Validation(batch.endpoint, self._shared.settings.batch_max_lines, self._max_bytes)
        for parts in self._parts(batch):
            self._batches.in_thread(validation.feed, parts)
            if validation.over:
                break
        self._batches.in_thread(validation.end)
        return validation

    def _parts(self, batch: Batch) -> Iterator[list[bytes]]:
        """Yield the parts of the input file, about a megabyte at a time. Raises `HungUp`."""
        last = -1
        while found := self._batches.call("read_parts", batch.input_n, last):
            self._check()
            last = found[-1][0]
            yield [data for _, data in found]

    def _lines_of(self, batch: Batch) -> Iterator[tuple[int, bytes]]:
        splitter = Splitter(self._max_bytes)
        for parts in self._parts(batch):
            yield from self._batches.in_thread(lambda: list(splitter.feed(parts)))  # noqa: B023
        yield from splitter.end()

    def _answer_all(self, batch: Batch, done: set[int], results: Results) -> bool:
        """Answer the lines that are not `done`. Returns whether some were too late. Raises `HungUp`."""
        late: list[tuple[int, bytes]] = []
        expired = False
        for number, raw in self._lines_of(batch):
            if number in done:
                continue
            if not expired and self._wait(batch):
                self._lines.start(gevent.Greenlet(self._answer, batch, number, raw, results))
                continue
            expired = True
            late.append((number, raw))
            if len(late) >= EXPIRED_AT_ONCE:
                self._expire(batch, late, results)
                late = []
        self._lines.join()
        self._check()
        self._expire(batch, late, results)
        return expired

    def _wait(self, batch: Batch) -> bool:
        """Wait until a line may begin. Returns False when it is too late. Raises `HungUp`."""

        def go_on() -> None:
            self._check()
            if time.time() >= batch.expires:
                raise _Late

        try:
            go_on()
            self._batches.pace.begin(go_on)
        except _Late:
            return False
        return True

    # ---- a line ----------------------------------------------------------------------------------------------------

    def _answer(self, batch: Batch, number: int, raw: bytes, results: Results) -> None:
        """Answer a line, and store its result. Raises nothing."""
        try:
            results.add(number, *self._result(batch, number, raw))
        except HungUp:
            pass
        except Exception as error:
            self._failed = True
            if not isinstance(error, NoLongerOurs):
                log.error("line %d of %s cannot be stored: %s", number, batch.id, in_one_line(error))
        finally:
            self._batches.pace.end()

    def _result(self, batch: Batch, number: int, raw: bytes) -> tuple[bool, bytes, Counts]:
        """Return whether the line's result is an error, the result, and what it counts. Raises `HungUp`."""
        custom_id, in_thread = "", self._batches.in_thread
        try:
            line = in_thread(lines.read, batch.endpoint, self._max_bytes, number, raw)
            custom_id = line.custom_id
            answer = self._answered(batch, in_thread(lines.prepare, self._shared.schemas, line))
            return False, in_thread(answer.result, custom_id), answer.counts()
        except ApiError as error:
            return True, refused(custom_id, error), Counts(failed=1)
        except (HungUp, NoLongerOurs):
            raise
        except Exception:
            log.exception("line %d of %s", number, batch.id)
            message = "The server has failed on this line, and on no other."
            problem = ApiError(500, message, type="server_error", code="internal_error")
            return True, refused(custom_id, problem), Counts(failed=1)

    def _answered(self, batch: Batch, prepared: Prepared) -> LineAnswer:
        """Return the answer, once it is complete. An engine that is loading, full or lost is waited for.

        Raises `ApiError` for what the request itself has caused; `HungUp`.
        """
        while True:
            self._check()
            try:
                answer = LineAnswer(self._shared, _call_of(batch), prepared, batch)
                self._live.add(answer)
                try:
                    answer.run()
                finally:
                    self._live.discard(answer)
            except ApiError as error:
                if error.code == WORKER_FAILED:
                    raise NoLongerOurs from None
                passes = error.status in (429, 503) and not error.final and error.code not in NOT_AGAIN
                if not passes or time.time() >= batch.expires:
                    raise
            else:
                return answer
            gevent.sleep(BUSY_SECONDS)

    def _expire(self, batch: Batch, late: list[tuple[int, bytes]], results: Results) -> None:
        """Store the errors of lines for which there was no time."""
        if late:
            errors = self._batches.in_thread(partial(_late, batch.endpoint, self._max_bytes, late))
            results.write("add_results", errors, Counts(failed=len(late)))


class _Late(Exception):
    """The batch's time is over."""


def _late(endpoint: str, max_bytes: int, late: list[tuple[int, bytes]]) -> list[tuple[int, bool, bytes]]:
    """Return the results of lines for which there was no time, as `store.add_results` takes them."""
    found = []
    for number, raw in late:
        try:
            line = result(lines.read(endpoint, max_bytes, number, raw).custom_id, None, LATE)
        except ApiError as error:
            line = refused("", error)
        found.append((number, True, line))
    return found


def _call_of(batch: Batch) -> Call:
    """Return a call that stands for an HTTP request with one line of the batch."""
    key = ApiKey(batch.key, b"", batch.scope) if batch.key else None
    environ: dict[str, Any] = {"REQUEST_METHOD": "POST", "PATH_INFO": batch.endpoint}
    return Call(environ, batch.endpoint, batch.id, key)
