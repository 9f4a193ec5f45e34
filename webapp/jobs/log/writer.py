"""Store what this worker's jobs have to add to their logs, all that waits in one transaction."""

from collections.abc import Callable, Sequence
from typing import Any

import gevent
import msgspec
from gevent.event import AsyncResult

from webapp.conversations.turns import StoredTurn

MOST_AT_ONCE = 256
"""Most writes of one transaction."""


class Write(msgspec.Struct, kw_only=True):
    """What the owner of a job adds to it: all of it is stored, or nothing."""

    n: int
    epoch: int
    first: int
    """The number of the first of `records`."""
    records: Sequence[bytes] = ()
    state: str | None = None
    """The state in which the job ends. None: it goes on."""
    ended: float = 0.0
    turns: Sequence[tuple[str, str, Sequence[StoredTurn]]] = ()
    """Turns of conversations to store with it: each with its scope and the conversation's id."""


class LogWriter:
    """Writes the logs of this worker's jobs. A transaction takes some milliseconds, most of them to reach the disk: one
    for each job would be too many.
    """

    def __init__(self, call: Callable[..., Any], owner: str) -> None:
        """`call` runs a function of `store`, by its name, in the thread that has the database."""
        self._call = call
        self._owner = owner
        self._waiting: list[tuple[Write, AsyncResult[bool]]] = []
        self._writing = False

    def write(self, write: Write) -> bool:
        """Store `write`, and return whether this worker still had the job: if not, nothing was stored.

        Raises what the database raises.
        """
        result: AsyncResult[bool] = AsyncResult()
        self._waiting.append((write, result))
        if not self._writing:
            self._writing = True
            gevent.spawn(self._write_all)
        owned: bool = result.get()
        return owned

    def _write_all(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
                self._write(group)
        finally:
            self._writing = False

    def _write(self, group: list[tuple[Write, "AsyncResult[bool]"]]) -> None:
        try:
            stored = self._call("append", self._owner, [write for write, _ in group])
        except Exception as error:
            if len(group) == 1:
                group[0][1].set_exception(error)
                return
            for each in group:  # one of them may be what the database cannot store
                self._write([each])
        else:
            for (_, result), owned in zip(group, stored, strict=True):
                result.set(owned)
