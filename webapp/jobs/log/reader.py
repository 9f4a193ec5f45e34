"""Follow the log of one job, whichever worker has it, and send it as server-sent events."""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import gevent

from schemas.errors import ApiError, invalid, unavailable
from webapp.answering import sse
from webapp.connection.yielding import in_turns, let_others_run
from webapp.database.thread import in_one_line, is_of_database
from webapp.engine.reply import HungUp
from webapp.jobs.job import CANCELLED, LIVE, Job
from webapp.jobs.log.live import NOT_STORED, LiveLog
from webapp.jobs.log.record import AT_ONCE, End, Record, Work, cost
from webapp.jobs.log.rendering import Rendering, refusal

if TYPE_CHECKING:
    from webapp.jobs.jobs import Jobs

POLL_SECONDS = 0.2
"""How often the database is asked for the records of a job that another worker has."""
NOTE_SECONDS = 5.0
"""How often its owner is told that somebody reads; a fraction of the shortest grace that makes sense."""
STATE_SECONDS = 1.0
"""How often it is asked whether such a job has been deleted, or cancelled before it was begun."""
WAKE_SECONDS = 0.5
"""How soon a reader notices that its client has gone."""
FAILING_SECONDS = 30.0
"""How long a reader waits for a database that fails."""


class Reader:
    """Reads the records of one job as they are stored."""

    def __init__(self, jobs: "Jobs", job: Job, live: LiveLog | None) -> None:
        """`live` is the job's log in this worker; None: another worker has the job, or it has ended."""
        self._jobs = jobs
        self._n = job.n
        self._number = 0
        """The next record."""
        self._live = live
        self._hung_up = False
        self._ping_due = False
        self._noted_at = self._asked_at = time.monotonic()
        if live is not None:
            live.readers += 1

    @property
    def unstored(self) -> bool:
        """Whether what is read is no longer stored, because the database fails."""
        return self._live is not None and self._live.unstored

    def hang_up(self) -> None:
        """Note that the client has gone: whatever waits for records raises `HungUp` soon."""
        self._hung_up = True

    def ask_for_ping(self) -> None:
        """Have `records` return soon, even without any: only a write shows whether the client is gone."""
        self._ping_due = True

    def close(self) -> None:
        """Read no more."""
        live, self._live = self._live, None
        if live is not None:
            live.readers -= 1
            live.note_reader()

    def records(self, seconds: float) -> list[Record]:
        """Return the next records, or an empty list if there are none within `seconds`, or a ping is due.

        Raises `ApiError` (404) if the job has been deleted, 503 if the database fails, and `HungUp`.
        """
        end = time.monotonic() + seconds
        while True:
            if self._hung_up:
                raise HungUp
            found = self._next()
            self._number += len(found)
            left = end - time.monotonic()
            if found or left <= 0 or self._ping_due:
                self._ping_due = False
                return found
            self._pause(left)

    def _next(self) -> list[Record]:
        if self._live is not None:
            here = self._live.since(self._number)
            if here:
                return here
            if here is not None and not self._live.over:
                return []
            if here is not None:  # the job has ended before, or goes on in another worker
                self.close()
        stored: list[Record] = self._ask("decoded_records", self._n, self._number)
        if not stored and self._live is None:
            return self._look_around()
        return stored

    def _pause(self, left: float) -> None:
        if self._live is not None:
            self._live.wait(min(left, WAKE_SECONDS))
        else:
            gevent.sleep(min(left, POLL_SECONDS))
            self._live = self._jobs.live_log(self._n)
            if self._live is not None:  # this worker has taken the job
                self._live.readers += 1

    def _look_around(self) -> list[Record]:
        """Tell the owner that somebody reads, and find out whether there will be more: a job may end without a record,
        if it is deleted, or cancelled before it is begun.
        """
        now = time.monotonic()
        if now - self._noted_at >= NOTE_SECONDS:
            self._noted_at = now
            self._ask("note_reader", self._n)
        if now - self._asked_at < STATE_SECONDS:
            return []
        self._asked_at = now
        state = self._ask("state_of", self._n)
        if state is None:
            raise ApiError(404, "The stream has been deleted.", code="stream_not_found")
        if state in LIVE:
            return []
        return self._ask("decoded_records", self._n, self._number) or [Record(end=End(CANCELLED, int(time.time())))]

    def _ask(self, name: str, *arguments: int) -> Any:
        """Ask the database, again while it fails. Raises `ApiError` (503)."""
        until = time.monotonic() + FAILING_SECONDS
        while True:
            try:
                return self._jobs.read(name, *arguments)
            except Exception as error:
                if not is_of_database(error):
                    raise
                if self._hung_up:
                    raise HungUp from None
                if time.monotonic() > until:
                    raise unavailable(
                        f"The stream cannot be read: {in_one_line(error)}", "job_store_unavailable"
                    ) from None
            gevent.sleep(POLL_SECONDS * 5)


class Events:
    """The events of one job's stream after event `after`; -1: all."""

    def __init__(self, reader: Reader, work: Work, after: int = -1) -> None:
        self._reader = reader
        self._rendering = Rendering(work)
        self._after = after
        self._ready: list[bytes] = []
        """Events that are not sent yet."""
        self._ended = False
        self._take(self._rendering.first_events())

    def wait(self, seconds: float) -> None:
        """Wait for the first events of a stream that has just been asked for. Raises `ApiError`: what the job has
        failed with before anything was generated.
        """
        if not self._ready and not self._ended:
            records = self._reader.records(seconds)
            if records and (error := refusal(records[0])) is not None:
                raise error
            self._render(records)

    def skip(self) -> None:
        """Pass the events that the client has. Raises `ApiError` (400) if there is no event `after`."""
        while self._rendering.sent <= self._after and not self._ended and (records := self._reader.records(0)):
            self._render(records)
        if self._rendering.sent <= self._after:
            message = f"There is no event {self._after}: the stream has {self._rendering.sent} events, from 0 on."
            raise invalid(message, "after", "event_not_found")

    def __iter__(self) -> Iterator[bytes]:
        """Yield the stream, some events at a time. The headers go out with the first item, so that comes at once."""
        try:
            if not self._ready and not self._ended:
                yield self._rendering.shape.ping
            while True:
                events, self._ready = self._ready, []
                yield from in_turns(events)
                if self._ended:
                    return
                records = self._reader.records(sse.PING_SECONDS)
                if not records:
                    yield self._rendering.shape.ping
                self._render(records)
        except HungUp:
            return
        except ApiError as error:
            yield from self._rendering.shape.error_pieces(error)

    def _render(self, records: list[Record]) -> None:
        spent = 0
        for record in records:
            if record.end is not None:
                self._ended = True
                if self._reader.unstored:
                    self._rendering.shape.warn(NOT_STORED)
            self._take(self._rendering.events(record))
            spent += cost(record)
            if spent > AT_ONCE:
                let_others_run()
                spent = 0

    def _take(self, events: list[bytes]) -> None:
        first = self._rendering.sent - len(events)
        self._ready += events[max(0, self._after + 1 - first) :]
