"""Conversations in SQL: one row for each completed turn, never changed afterwards.

Two turns of a conversation that finish at the same time are two rows, so neither is lost. A turn that fails has no row.
Importing SQLAlchemy takes 15 MB: `conversations.py` imports this file when the first conversation is used.
"""

import time
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Engine,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    delete,
    event,
    func,
    insert,
    make_url,
    select,
)
from sqlalchemy.exc import DBAPIError

from schemas.replies.blocks import encode
from webapp.conversations.turns import Message, StoredTurn

WAIT_SECONDS = 5
"""Seconds to wait for a connection, for SQLite's write lock, and for a statement of PostgreSQL's."""
SWEPT_AT_ONCE = 200
"""Most conversations deleted in one transaction: other writers wait for SQLite's write lock meanwhile."""
TRIES = 5
"""Attempts of one worker to create the table."""

_metadata = MetaData()
_turns = Table(
    "hearth_turns",
    _metadata,
    Column("n", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("scope", String(64), nullable=False),
    Column("conversation", String(255), nullable=False),
    Column("created", Float(53), nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("continues", Boolean, nullable=False),
    Column("leading", Text),
    Column("messages", Text, nullable=False),
    sqlite_autoincrement=True,  # the number of a deleted turn must never be used again
)
# A sweep reads this index alone, not the table.
Index("hearth_turns_of", *(_turns.c[name] for name in ("scope", "conversation", "n", "created", "bytes")))


class TooLong(Exception):
    """The conversation exceeds the size limit. `args`: its size and the limit, in bytes."""


class Store:
    """The table of turns. Used by one thread only; it has at most one connection, opened at the first call."""

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        self._made = False

    def read(self, scope: str, conversation: str, max_bytes: int) -> list[StoredTurn]:
        """Return the turns, the oldest first, or an empty list. Raises `TooLong` before it reads any turn."""
        of = _of(scope, conversation)
        with self._begin() as connection:
            size: int = connection.scalar(select(func.coalesce(func.sum(_turns.c.bytes), 0)).where(of)) or 0
            if size > max_bytes:
                raise TooLong(size, max_bytes)
            rows = connection.execute(select(_turns).where(of).order_by(_turns.c.n)).all() if size else ()
        return [
            StoredTurn(
                messages=msgspec.json.decode(row.messages, type=list[Message]),
                leading=None if row.leading is None else msgspec.json.decode(row.leading, type=Message),
                continues=row.continues,
                created=row.created,
                number=row.n,
            )
            for row in rows
        ]

    def read_continuing(self, scope: str, conversations: list[str], max_bytes: int) -> list[Message]:
        """Return the messages of all turns of `conversations` that have `continues`. Raises `TooLong`, as `read`."""
        of = (_turns.c.scope == scope) & _turns.c.conversation.in_(conversations) & _turns.c.continues
        with self._begin() as connection:
            size: int = connection.scalar(select(func.coalesce(func.sum(_turns.c.bytes), 0)).where(of)) or 0
            if size > max_bytes:
                raise TooLong(size, max_bytes)
            rows = connection.scalars(select(_turns.c.messages).where(of)).all() if size else ()
        return [message for row in rows for message in msgspec.json.decode(row, type=list[Message])]

    def add(self, scope: str, conversation: str, *turns: StoredTurn) -> None:
        """Insert `turns` as the conversation's last: all of them, or none."""
        with self._begin() as connection:
            connection.execute(insert(_turns), [_row(scope, conversation, turn) for turn in turns])

    def remove(self, scope: str, conversation: str) -> bool:
        """Delete the conversation. Returns whether there was one."""
        with self._begin() as connection:
            removed: int = connection.execute(delete(_turns).where(_of(scope, conversation))).rowcount
        return removed > 0

    def sweep(self, older_than: float, max_bytes: int) -> int:
        """Delete up to `SWEPT_AT_ONCE` conversations, the oldest first; call again until it returns 0.

        Deleted are conversations whose last turn was created before `older_than`, in Unix seconds, and the oldest ones
        while all together have more than `max_bytes`. Returns how many were deleted.
        """
        with self._begin() as connection:
            old = _oldest(connection, older_than, max_bytes)
            for scope, conversation, last in old:
                # A turn that was added since the query is kept.
                connection.execute(delete(_turns).where(_of(scope, conversation), _turns.c.n <= last))
        return len(old)

    def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()

    def _begin(self) -> Any:
        if not self._made:
            _make_tables(self._engine)
            self._made = True
        return self._engine.begin()


def _oldest(connection: Connection, older_than: float, max_bytes: int) -> list[tuple[str, str, int]]:
    """Return up to `SWEPT_AT_ONCE` conversations to delete, the oldest first: scope, id, number of the last turn."""
    total = connection.scalar(select(func.sum(_turns.c.bytes))) or 0
    updated, last, size = func.max(_turns.c.created), func.max(_turns.c.n), func.sum(_turns.c.bytes)
    by_conversation = (
        select(_turns.c.scope, _turns.c.conversation, updated, last, size)
        .group_by(_turns.c.scope, _turns.c.conversation)
        .order_by(updated, last)
        .limit(SWEPT_AT_ONCE)
    )
    old = []
    for scope, conversation, when, number, held in connection.execute(by_conversation).all():
        if when >= older_than and total <= max_bytes:
            break
        total -= held
        old.append((scope, conversation, number))
    return old


def _of(scope: str, conversation: str) -> ColumnElement[bool]:
    return (_turns.c.scope == scope) & (_turns.c.conversation == conversation)


def _row(scope: str, conversation: str, turn: StoredTurn) -> dict[str, Any]:
    messages = _json(turn.messages)
    leading = None if turn.leading is None else _json(turn.leading)
    return {
        "scope": scope,
        "conversation": conversation,
        "created": turn.created,
        "bytes": len(messages.encode()) + len((leading or "").encode()),
        "continues": turn.continues,
        "leading": leading,
        "messages": messages,
    }


def _json(value: Any) -> str:
    return encode(value).decode()


def _engine(url: str) -> Engine:
    given = make_url(url)
    if given.get_backend_name() == "sqlite":
        engine = create_engine(given, hide_parameters=True, connect_args={"timeout": WAIT_SECONDS})
        event.listen(engine, "connect", _set_up_sqlite)
        return engine
    return create_engine(
        given,
        hide_parameters=True,  # conversations must not appear in the log
        pool_size=1,
        max_overflow=0,
        pool_pre_ping=True,  # the database may have been restarted since the last use
        connect_args={
            "connect_timeout": WAIT_SECONDS,
            "options": f"-c statement_timeout={WAIT_SECONDS}s -c lock_timeout={WAIT_SECONDS}s",
            "tcp_user_timeout": 1000 * WAIT_SECONDS,
            "keepalives_idle": WAIT_SECONDS,
            "keepalives_interval": 1,
            "keepalives_count": WAIT_SECONDS,
            "application_name": "hearth",
        },
    )


def _set_up_sqlite(connection: Any, record: Any) -> None:
    connection.execute("PRAGMA journal_mode=WAL")  # so that readers and the writer do not block each other
    connection.execute("PRAGMA journal_size_limit=16777216")


def _make_tables(engine: Engine) -> None:
    """Create the table where it is missing.

    Workers that start together all find no table and all create it: those whose attempt fails try again.
    """
    for tries_left in reversed(range(TRIES)):
        try:
            _metadata.create_all(engine)
            return
        except DBAPIError:
            if not tries_left:
                raise
            time.sleep(0.1)
