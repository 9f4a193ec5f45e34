"""The log of a job that this worker has, as readers in this worker follow it: they are woken, and need no database."""

import time
from collections import deque

from gevent.event import Event

from webapp.jobs.log.record import Record

TAIL = 64
"""The last records that are kept. A reader that is farther behind reads the database."""
NOT_STORED = "The database has failed: the answer can no longer be resumed, and it is not stored."
MOST_UNSTORED = 8192
"""The most records kept for readers where the database fails."""


class LiveLog:
    """The records that have been stored; where the database fails, those that could not be stored, too."""

    def __init__(self, count: int) -> None:
        """`count`: how many records are stored."""
        self.count = count
        self.readers = 0
        self.read_at = time.monotonic()
        """When somebody was last seen to read."""
        self.unstored = False
        """Whether the records are no longer stored, because the database fails."""
        self.over = False
        """Whether nothing follows here: the job has ended, or is another worker's."""
        self._tail: deque[Record] = deque()
        self._changed = Event()

    @property
    def full(self) -> bool:
        """Whether readers are so far behind that no more can be kept for them."""
        return len(self._tail) >= MOST_UNSTORED

    def add(self, record: Record) -> None:
        """Show `record` to the readers."""
        self._tail.append(record)
        self.count += 1
        while len(self._tail) > TAIL and not self.unstored:
            self._tail.popleft()
        self._wake()

    def close(self) -> None:
        """Let the readers see that nothing follows here."""
        self.over = True
        self._wake()

    def since(self, number: int) -> list[Record] | None:
        """Return the records from `number` on. None: they are no longer here."""
        first = self.count - len(self._tail)
        if number < first:
            return None
        return [self._tail[at] for at in range(number - first, len(self._tail))]

    def wait(self, seconds: float) -> None:
        """Wait for the next record."""
        self.read_at = time.monotonic()
        self._changed.wait(seconds)

    def unread_seconds(self) -> float:
        """Return for how long nobody has read."""
        return 0.0 if self.readers else time.monotonic() - self.read_at

    def note_reader(self) -> None:
        """Note that somebody reads, in this worker or another."""
        self.read_at = time.monotonic()

    def _wake(self) -> None:
        changed, self._changed = self._changed, Event()
        changed.set()
