"""Stored conversations: read the history for a request, and store each completed turn.

One thread of the web worker calls the database, so that a slow database does not block the worker's other requests.
"""

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from schemas.errors import ApiError, invalid, unavailable
from schemas.replies.choice import Choice
from schemas.replies.shape import encode_json
from schemas.requests.chat import MAX_CONVERSATION_ID
from webapp.conversations.turns import Message, OpenTurn, StoredTurn, history, open_turn
from webapp.database.sweeping import Sweeping
from webapp.database.thread import DatabaseThread, in_one_line, is_of_database
from webapp.settings import MIB, Settings

if TYPE_CHECKING:
    from webapp.conversations.store import Store

log = logging.getLogger("hearth.web")

DAY = 24 * 60 * 60
NOT_STORED = "This turn could not be stored: the conversation will continue without it."

Result = TypeVar("Result")


class Conversations:
    """The stored conversations, as one web worker uses them. `scope` is `ApiKey.scope`: each key sees only its own.

    SQLAlchemy is imported, and the thread and the connection are started, at the first call.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock
        self._max_bytes = int(settings.conversation_each_mb * MIB)
        self._thread = DatabaseThread()
        self._store: Store | None = None
        self._sweeping = Sweeping(self.sweep)

    def open(
        self,
        scope: str,
        name: str,
        given: list[Message],
        *,
        continuing: bool,
        check: Callable[[OpenTurn], None] = lambda turn: None,
    ) -> OpenTurn:
        """Return a new turn of conversation `name`, the first turn where none is stored.

        Raises `ApiError`: 503 where the database fails, 400 where the conversation exceeds its size limit, and what
        `check` raises, which is called in the thread.
        """

        def opened(turns: list[StoredTurn]) -> OpenTurn:
            turn = open_turn(history(turns), given, continuing=continuing)
            self._check_size(turn.messages)
            check(turn)
            return turn

        return self.read(scope, name, opened)

    def keep(self, scope: str, name: str, turn: OpenTurn, answer: Choice, *, echo: bool) -> str | None:
        """Store the completed turn. Returns None, or a warning for the client where the database fails.

        The failure is logged, not raised: the client gets its answer even where it cannot be stored.
        """
        return self.add(scope, name, turn.complete("".join(answer.text), answer.tool_calls(), echo=echo))

    def add(self, scope: str, name: str, *turns: StoredTurn) -> str | None:
        """Store `turns` with the present time. Returns None or a warning, as `keep` does."""
        try:
            self._store_now(self._call, scope, name, turns)
        except Exception as error:
            log.error("a turn of conversation %r could not be stored: %s", name, in_one_line(error))
            return NOT_STORED
        return None

    def extend(self, scope: str, name: str, make: Callable[[list[StoredTurn]], tuple[StoredTurn, Result]]) -> Result:
        """Store a turn, with the present time, after all turns so far. Raises `ApiError`, as `open` does.

        `make` is called with the turns so far, in the thread: it returns the new turn, and what this method returns.
        """

        def made(turns: list[StoredTurn]) -> tuple[StoredTurn, Result]:
            turn, result = make(turns)
            self._check_size([each.messages for each in (*turns, turn)])
            return turn, result

        turn, result = self.read(scope, name, made)
        self._store_now(partial(self._try, "stored"), scope, name, [turn])
        return result

    def read(self, scope: str, name: str, work: Callable[[list[StoredTurn]], Result]) -> Result:
        """Return what `work` makes of the stored turns, the oldest first, in the thread: they may be megabytes.

        Raises `ApiError`, as `open` does, and what `work` raises.
        """
        return self._try("read", lambda: work(self._read(scope, name)))

    def continuing(self, scope: str, names: list[str], work: Callable[[list[Message]], Result]) -> Result:
        """Return what `work` makes of the messages of all turns of the conversations `names` that have `continues`.

        `work` is called in the thread. Raises `ApiError`, as `read` does.
        """
        return self._try("read", lambda: work(self._read_continuing(scope, names)))

    def delete(self, scope: str, name: str) -> bool:
        """Delete the conversation. Returns whether one was stored. Raises `ApiError` (503)."""
        return self._try("deleted", self._remove, scope, name)

    def sweep(self) -> None:
        """Delete conversations that are older than the settings allow, and the oldest while all take too much space."""
        older_than = self._clock() - self._settings.conversation_max_days * DAY
        max_bytes = int(self._settings.conversation_max_mb * MIB)
        deleted = 0
        try:
            while count := self._call(self._sweep, older_than, max_bytes):  # requests use the thread in between
                deleted += count
        except Exception as error:
            log.error("old conversations could not be deleted: %s", in_one_line(error))
            return
        if deleted:
            log.info("deleted %d old conversations", deleted)

    def close(self) -> None:
        """Close the connection and end the thread."""
        if self._store is not None:
            self._call(self._store.close)
        self._thread.end()

    def _try(self, past_verb: str, work: Callable[..., Result], *arguments: Any) -> Result:
        try:
            return self._call(work, *arguments)
        except Exception as error:
            if not is_of_database(error):
                raise
            log.error("a conversation could not be %s: %s", past_verb, in_one_line(error))
            raise unavailable(
                f"The conversation cannot be {past_verb} now: the database has failed or is too slow.",
                "conversation_store_unavailable",
            ) from None

    def _store_now(self, call: Callable[..., None], scope: str, name: str, turns: Sequence[StoredTurn]) -> None:
        """Store `turns` with the present time. `call` runs a function in the thread."""
        for turn in turns:
            turn.created = self._clock()
        call(self._add, scope, name, *turns)
        self._sweeping.begin_if_due()

    def _call(self, work: Callable[..., Result], *arguments: Any) -> Result:
        return self._thread.call(work, *arguments)

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

    def _read_continuing(self, scope: str, names: list[str]) -> list[Message]:
        from webapp.conversations.store import TooLong

        try:
            return self._open_store().read_continuing(scope, names, self._max_bytes)
        except TooLong as error:
            raise _too_long(*error.args) from None

    def _check_size(self, stored: Any) -> None:
        size = len(encode_json(stored))
        if size > self._max_bytes:
            raise _too_long(size, self._max_bytes)

    def _add(self, scope: str, name: str, *turns: StoredTurn) -> None:
        self._open_store().add(scope, name, *turns)

    def _remove(self, scope: str, name: str) -> bool:
        return self._open_store().remove(scope, name)

    def _sweep(self, older_than: float, max_bytes: int) -> int:
        return self._open_store().sweep(older_than, max_bytes)


def is_name(name: str) -> bool:
    """Return whether a conversation can have this name: what a URL holds may be anything."""
    return 1 <= len(name) <= MAX_CONVERSATION_ID and name.isprintable()


def _too_long(size: int, limit: int) -> ApiError:
    return invalid(
        f"The conversation has {size} bytes, but at most {limit} are allowed: begin a new one, or DELETE this one.",
        "conversation_id",
        "conversation_too_long",
    )
