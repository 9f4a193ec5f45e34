"""Store what a worker has to add to its batch: all of it while the batch is its own, and nothing afterwards."""

import logging
from typing import TYPE_CHECKING, Any

import gevent
from gevent.lock import BoundedSemaphore

from webapp.batches.batch import Batch, Counts
from webapp.database.thread import in_one_line, is_of_database

if TYPE_CHECKING:
    from webapp.batches.batches import Batches

log = logging.getLogger("hearth.batches")

TRIES, PAUSE = 10, 1.0
"""How often a write is tried, and the seconds in between."""


class NoLongerOurs(Exception):
    """Another worker has the batch, or will have it."""


class Results:
    """The results of one batch. What waits while a transaction lasts is stored by the next."""

    def __init__(self, batches: "Batches", batch: Batch, epoch: int) -> None:
        self._batches = batches
        self._batch = batch
        self._epoch = epoch
        self._waiting: dict[int, tuple[bool, bytes, Counts]] = {}
        """By the number of the line."""
        self._turn = BoundedSemaphore(1)

    def add(self, number: int, failed: bool, line: bytes, counts: Counts) -> None:
        """Store the result of line `number`. Raises as `write` does."""
        self._waiting[number] = (failed, line, counts)
        with self._turn:
            if number not in self._waiting:
                return  # stored with another's
            group = dict(self._waiting)
            total = Counts()
            for _, _, each in group.values():
                total.add(each)
            self.write("add_results", [(at, *found[:2]) for at, found in group.items()], total)
            for at in group:
                del self._waiting[at]

    def write(self, name: str, *arguments: Any) -> None:
        """Call a function of `store` that writes as the batch's owner. A database that fails is tried several times.

        Raises `NoLongerOurs`, and what the database raises.
        """
        for left in reversed(range(TRIES)):
            try:
                owned = self._batches.call(name, self._batch, self._batches.owner, self._epoch, *arguments)
            except Exception as error:
                if not is_of_database(error) or not left:
                    raise
                log.error("%s cannot be stored: %s", self._batch.id, in_one_line(error))
                gevent.sleep(PAUSE)
            else:
                if not owned:
                    raise NoLongerOurs
                return
