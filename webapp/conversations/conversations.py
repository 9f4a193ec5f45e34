"""Conversations that the server keeps, as a web worker sees them: what was said before, and what is kept of a reply.

The database is reached from one thread of its own, so that a slow one does not hold up the worker's other requests.
The thread's calls have limits of their own; `WAIT_SECONDS` is the one that no database can exceed.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import gevent
from gevent.threadpool import ThreadPool

from schemas.errors import ApiError, invalid, unavailable
from schemas.replies.shape import Choice, encode_json
from webapp.conversations.turns import Message, OpenTurn, StoredTurn, history, open_turn
from webapp.settings import MIB, Settings

if TYPE_CHECKING:
    from webapp.conversations.store import Store

log = logging.getLogger("hearth.web")

WAIT_SECONDS = 12.0
"""For the thread's turn and its work; a little more than the database's own limits."""
SWEEP_EVERY = 300.0
"""Seconds between two sweeps of one worker."""
DAY = 24 * 60 * 60
NOT_STORED = "This turn could not be stored: the conversation goes on without it."

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Conversation:
    created: float
    updated: float
    messages: list[Message]


class Conversations:
    """Nothing is imported, connected or started before the first call."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock
        self._max_bytes = int(settings.conversation_each_mb * MIB)
        self._thread: ThreadPool | None = None
        self._store: Store | None = None
        self._next_sweep = 0.0

    def open(self, scope: str, name: str, given: list[Message], *, continuing: bool) -> OpenTurn:
        """A new turn of conversation `name`, which begins where none is stored.

        Raises `ApiError`: 503 where the database fails, 400 where the conversation has grown beyond its limit.
        """
        turns = self._try("read", self._read, scope, name)
        turn = open_turn(history(turns), given, continuing=continuing)
        size = len(encode_json(turn.messages))
        if size > self._max_bytes:
            raise _too_long(size, self._max_bytes)
        return turn

    def keep(self, scope: str, name: str, turn: OpenTurn, answer: Choice, *, echo: bool) -> str | None:
        """Store the completed turn. A failure is logged, and returned as a warning for the client: the answer is worth
        more than its record.
        """
        return self.add(scope, name, turn.ended("".join(answer.text), answer.tool_calls(), echo=echo))

    def add(self, scope: str, name: str, turn: StoredTurn) -> str | None:
        """Store a turn, of now. Returns as `keep` does."""
        turn.created = self._clock()
        try:
            self._call(self._add, scope, name, turn)
        except Exception as error:
            log.error("a turn of conversation %r could not be stored: %s", name, _in_a_line(error))
            return NOT_STORED
        if time.monotonic() >= self._next_sweep:
            self._next_sweep = time.monotonic() + SWEEP_EVERY
            gevent.spawn(self.sweep)
        return None

    def turns(self, scope: str, name: str) -> list[StoredTurn]:
        """Raises `ApiError`, as `open` does."""
        return self._try("read", self._read, scope, name)

    def get(self, scope: str, name: str) -> Conversation | None:
        """Raises `ApiError`, as `open` does."""
        turns = self.turns(scope, name)
        return Conversation(turns[0].created, turns[-1].created, history(turns)) if turns else None

    def delete(self, scope: str, name: str) -> bool:
        """Says whether there was anything. Raises `ApiError` (503)."""
        return self._try("deleted", self._remove, scope, name)

    def sweep(self) -> None:
        """Remove what is older, or more, than the settings allow."""
        older_than = self._clock() - self._settings.conversation_max_days * DAY
        max_bytes = int(self._settings.conversation_max_mb * MIB)
        swept = 0
        try:
            while now := self._call(self._sweep, older_than, max_bytes):  # others have their turn in between
                swept += now
        except Exception as error:
            log.error("old conversations could not be removed: %s", _in_a_line(error))
            return
        if swept:
            log.info("removed %d old conversations", swept)

    def close(self) -> None:
        if self._thread is not None:
            if self._store is not None:
                self._call(self._store.close)
            self._thread.kill()

    def _try(self, what: str, work: Callable[..., Result], *arguments: Any) -> Result:
        try:
            return self._call(work, *arguments)
        except ApiError:
            raise
        except Exception as error:
            log.error("a conversation could not be %s: %s", what, _in_a_line(error))
            raise unavailable(
                f"The conversation cannot be {what} now: the database does not answer as it should.",
                "conversation_store_unavailable",
            ) from None

    def _call(self, work: Callable[..., Result], *arguments: Any) -> Result:
        if self._thread is None:
            self._thread = ThreadPool(1)
        with gevent.Timeout(WAIT_SECONDS, TimeoutError(f"the database took more than {WAIT_SECONDS:g} s")):
            result: Result | Exception = self._thread.spawn(_attempt, work, *arguments).get()
        if isinstance(result, Exception):
            raise result
        return result

    # ---- in the thread -------------------------------------------------------------------------------------------

    def _open_store(self) -> "Store":
        if self._store is None:
            from webapp.conversations.store import Store

            self._store = Store(self._settings.database_url)
        return self._store

    def _read(self, scope: str, name: str) -> list[StoredTurn]:
        from webapp.conversations.store import TooLong

        try:
            return self._open_store().read(scope, name, self._max_bytes)
        except TooLong as error:
            raise _too_long(*error.args) from None

    def _add(self, scope: str, name: str, turn: StoredTurn) -> None:
        self._open_store().add(scope, name, turn)

    def _remove(self, scope: str, name: str) -> bool:
        return self._open_store().remove(scope, name)

    def _sweep(self, older_than: float, max_bytes: int) -> int:
        return self._open_store().sweep(older_than, max_bytes)


def _attempt(work: Callable[..., Result], *arguments: Any) -> Result | Exception:
    """gevent writes a traceback for each error that leaves its thread."""
    try:
        return work(*arguments)
    except Exception as error:
        return error


def _too_long(size: int, limit: int) -> ApiError:
    return invalid(
        f"The conversation has {size} bytes, and at most {limit} are kept: begin another, or DELETE this one.",
        "conversation_id",
        "conversation_too_long",
    )


def _in_a_line(error: Exception) -> str:
    """While a database is away, every request has one: no place for tracebacks."""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
