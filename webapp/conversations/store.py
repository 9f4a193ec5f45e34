"""Conversations in SQL: one row for each completed turn, never changed afterwards.

Turns that end at the same time are two rows, so neither is lost, and a turn that does not end is none.
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

from webapp.conversations.turns import Message, StoredTurn

WAIT_SECONDS = 5
"""For a connection, for SQLite's one writer, and for PostgreSQL to answer."""
SWEPT_AT_ONCE = 200
"""Conversations that go in one transaction: others wait for SQLite's writer meanwhile."""
TRIES = 5

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
    sqlite_autoincrement=True,  # the number of a deleted turn must not come again
)
# Sweeping reads this index alone.
Index("hearth_turns_of", *(_turns.c[name] for name in ("scope", "conversation", "n", "created", "bytes")))


class TooLong(Exception):
    """The conversation holds more than may be read. `args`: its size, the limit."""


class Store:
    """Belongs to one thread, and holds at most one connection, opened when first used."""

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        self._made = False

    def read(self, scope: str, conversation: str, max_bytes: int) -> list[StoredTurn]:
        """The turns, oldest first; none where nothing is stored. Raises `TooLong`, before it reads any."""
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
            )
            for row in rows
        ]

    def add(self, scope: str, conversation: str, turn: StoredTurn) -> None:
        messages = _json(turn.messages)
        leading = None if turn.leading is None else _json(turn.leading)
        row = {
            "scope": scope,
            "conversation": conversation,
            "created": turn.created,
            "bytes": len(messages.encode()) + len((leading or "").encode()),
            "continues": turn.continues,
            "leading": leading,
            "messages": messages,
        }
        with self._begin() as connection:
            connection.execute(insert(_turns), row)

    def remove(self, scope: str, conversation: str) -> bool:
        """Says whether there was anything."""
        with self._begin() as connection:
            removed: int = connection.execute(delete(_turns).where(_of(scope, conversation))).rowcount
        return removed > 0

    def sweep(self, older_than: float, max_bytes: int) -> int:
        """Remove conversations whose last turn is `older_than`, and the oldest until all have at most `max_bytes`.

        Returns how many went: some, as long as more must go.
        """
        with self._begin() as connection:
            old = _oldest(connection, older_than, max_bytes)
            for scope, conversation, last in old:
                # A turn that has come since stays.
                connection.execute(delete(_turns).where(_of(scope, conversation), _turns.c.n <= last))
        return len(old)

    def close(self) -> None:
        self._engine.dispose()

    def _begin(self) -> Any:
        if not self._made:
            _make_tables(self._engine)
            self._made = True
        return self._engine.begin()


def _oldest(connection: Connection, older_than: float, max_bytes: int) -> list[tuple[str, str, int]]:
    """Up to SWEPT_AT_ONCE conversations that must go: scope, id, their last turn's number."""
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


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _engine(url: str) -> Engine:
    given = make_url(url)
    if given.get_backend_name() == "sqlite":
        engine = create_engine(given, hide_parameters=True, connect_args={"timeout": WAIT_SECONDS})
        event.listen(engine, "connect", _set_up_sqlite)
        return engine
    return create_engine(
        given,
        hide_parameters=True,  # what people say does not belong in the log
        pool_size=1,
        max_overflow=0,
        pool_pre_ping=True,  # the database may have been restarted since
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
    connection.execute("PRAGMA journal_mode=WAL")  # readers and the writer do not wait for each other
    connection.execute("PRAGMA journal_size_limit=16777216")


def _make_tables(engine: Engine) -> None:
    """Workers that start together all find no table and all make it: those that come too late look again."""
    for left in reversed(range(TRIES)):
        try:
            _metadata.create_all(engine)
            return
        except DBAPIError:
            if not left:
                raise
            time.sleep(0.1)
