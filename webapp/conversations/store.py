"""Conversations in SQL: one row for each completed turn, never changed afterwards.

Two turns of a conversation that finish at the same time are two rows, so neither is lost. A turn that fails has no row.
Importing SQLAlchemy takes 15 MB: `conversations.py` imports this file when the first conversation is used.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
)

from schemas.replies.blocks import encode
from webapp.conversations.turns import Message, StoredTurn
from webapp.database.connecting import connect, make_tables

SWEPT_AT_ONCE = 200
"""Most conversations deleted in one transaction: other writers wait for SQLite's write lock meanwhile."""

metadata = MetaData()
_turns = Table(
    "hearth_turns",
    metadata,
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
        self._engine = connect(url)
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
            insert_turns(connection, scope, conversation, turns)

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
            make_tables(self._engine, metadata)
            self._made = True
        return self._engine.begin()


def insert_turns(connection: Connection, scope: str, conversation: str, turns: Sequence[StoredTurn]) -> None:
    """Insert `turns` as the conversation's last, in the transaction of `connection`. The table must have been made."""
    connection.execute(insert(_turns), [_row(scope, conversation, turn) for turn in turns])


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
