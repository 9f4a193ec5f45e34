"""The turns of a conversation: which of a request's messages are new, and what is stored of its answer.

A stored message may have the member `items`: what the Responses API calls its parts, with their ids. A stored turn may
also hold marks, which are no messages and have no `role`: `{"metadata": {...}}` sets the conversation's metadata, and
`{"deleted": id}` deletes an item.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from schemas.replies.message import assistant_message
from schemas.requests.parts.item_messages import items_of, messages_of

Message = dict[str, Any]


@dataclass(slots=True)
class StoredTurn:
    """One completed turn: its new messages, the answer last."""

    messages: list[Message]
    leading: Message | None = None
    """A system or developer message that replaces the previous one from this turn on; None: no change."""
    continues: bool = False
    """True where the first message is the previous turn's last one, made longer (`continue_final_message`)."""
    created: float = 0.0
    """When the turn was stored, in Unix seconds."""
    number: int = 0
    """The turn's number in the database, which no other turn has."""


Placed = tuple[Message, str]
"""A stored message, and where it stands in the database: the ids of its items are made of that."""


def history(turns: list[StoredTurn]) -> list[Message]:
    """Return the conversation's messages from its `turns`, the system or developer message first."""
    placed, deleted = _placed(turns), _deleted(turns)
    if not deleted:
        return [plain(message) for message, _ in placed]
    messages: list[Message] = []
    for message, where in placed:
        items = _items(message, where)
        left = [item for item in items if item["id"] not in deleted]
        messages += [plain(message)] if len(left) == len(items) else messages_of(left)
    return messages


def conversation_items(turns: list[StoredTurn]) -> list[Message]:
    """Return the conversation's items as the Responses API has them, in the order of `history`."""
    deleted = _deleted(turns)
    items = (item for message, where in _placed(turns) for item in _items(message, where))
    return [item for item in items if item["id"] not in deleted]


def metadata(turns: list[StoredTurn]) -> dict[str, str]:
    """Return the conversation's metadata."""
    marks = [entry["metadata"] for turn in turns for entry in turn.messages if "metadata" in entry]
    return marks[-1] if marks else {}


def plain(message: Message) -> Message:
    """Return `message` without its items."""
    return {name: value for name, value in message.items() if name != "items"} if "items" in message else message


def _placed(turns: list[StoredTurn]) -> list[Placed]:
    leading: list[Placed] = []
    placed: list[Placed] = []
    for turn in turns:
        if turn.leading is not None:
            leading = [(turn.leading, f"{turn.number:016x}leading")]
        # Where another turn was stored in between, the longer message is appended instead: nothing is lost.
        if turn.continues and placed and _extends(turn.messages[0], placed[-1][0]):
            placed.pop()
        entries = enumerate(turn.messages)
        placed += [(entry, f"{turn.number:016x}{index:04x}") for index, entry in entries if "role" in entry]
    return leading + placed


def _deleted(turns: list[StoredTurn]) -> set[str]:
    return {entry["deleted"] for turn in turns for entry in turn.messages if "deleted" in entry}


def _items(message: Message, where: str) -> list[Message]:
    """Return the items of a stored message: those that it has, or new ones whose ids are always the same."""
    stored: list[Message] | None = message.get("items")
    numbers = itertools.count()
    return items_of(message, lambda prefix: f"{prefix}_{where}{next(numbers):04x}") if stored is None else stored


@dataclass(slots=True)
class OpenTurn:
    """A turn whose answer is being generated."""

    messages: list[Message]
    """The whole conversation, to be rendered for the model."""
    new: list[Message]
    """The messages that are not stored yet."""
    leading: Message | None
    """`StoredTurn.leading`."""
    continues: bool
    """`StoredTurn.continues`."""
    extends_last: bool
    """True where the answer continues the last message of `new` instead of being a message of its own."""

    def complete(
        self, answer: str, calls: Sequence[Message] = (), *, echo: bool = False, items: list[Message] | None = None
    ) -> StoredTurn:
        """Return the turn to store. `echo`: the answer may begin with a copy of the last message, which is removed.

        `items`: the answer as the items of the Responses API. None: the answer is one of chat completions.
        """
        last = self.messages[-1]
        if echo and last["role"] == "assistant":
            answer = answer.removeprefix(text_of(last))
        if self.extends_last:
            messages = [*self.new[:-1], {**last, "content": _append(last["content"], answer)}]
        else:
            told = assistant_message(answer, calls)
            messages = [*self.new, told if items is None else told | {"items": items}]
        return StoredTurn(messages, self.leading, self.continues)


def open_turn(stored: list[Message], given: list[Message], *, continuing: bool) -> OpenTurn:
    """Return the turn that appends the request's messages, `given`, to the conversation's, `stored`.

    A client may repeat the whole conversation or its last part: those of `given` are not appended again. A client that
    repeats the beginning, and then says something else, does not know the rest: the model gets what this client knows
    (a branch), and what is new of it is stored after what is stored. The beginning may be the first question alone,
    where the client has another answer to it.
    A system or developer message at the beginning of `given` replaces the stored one.
    `continuing`: the answer continues the last message, which may be a stored one (`continue_final_message`).
    """
    old_leading, old = _split(stored)
    leading, new = _split(given)
    if continuing:
        new = new or old[-1:]
    continues = False
    old_numbers, new_numbers = _numbered(old, new)
    if continuing and old and _end_with(old_numbers[:-1], new_numbers[:-1]) and _extends(new[-1], old[-1]):
        continues, old, new = True, old[:-1], new[-1:]
    else:
        known = _overlap(old_numbers, new_numbers)
        if known < min(len(old), len(new)):
            branch = _branch(old_numbers, new_numbers, new, continuing=continuing)
            known, old = (known, old) if branch is None else (branch, new[:branch])
        new = new[known:]
    return OpenTurn(
        messages=[*(leading or old_leading), *old, *new],
        new=new,
        leading=leading[0] if leading and leading != old_leading else None,
        continues=continues,
        extends_last=continuing and bool(new),
    )


def text_of(message: Message) -> str:
    """Return the text of `message`, whose content may be a string, a list of text parts, or None."""
    content = message.get("content") or ""
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def _split(messages: list[Message]) -> tuple[list[Message], list[Message]]:
    """Return the system or developer message at the beginning, in a list of at most one, and the other messages."""
    count = 1 if messages and messages[0]["role"] in ("system", "developer") else 0
    return messages[:count], messages[count:]


def _numbered(*lists: list[Message]) -> list[list[int]]:
    """Return a number for each message of `lists`: equal messages have equal numbers.

    Equal are messages apart from what clients change when they send an answer back. They send it as a string or as a
    list of one part, often stripped, and with or without its reasoning.
    """
    numbers: dict[bytes, int] = {}
    return [[numbers.setdefault(_normalized(message), len(numbers)) for message in each] for each in lists]


def _normalized(message: Message) -> bytes:
    alike = {**message, "content": text_of(message).strip(), "reasoning": None, "items": None}
    return msgspec.json.encode(alike, order="deterministic")


def _end_with(stored: list[int], given: list[int]) -> bool:
    """Return whether the last messages of `stored` are `given`. Both are numbers of messages."""
    return len(given) <= len(stored) and stored[len(stored) - len(given) :] == given


def _overlap(stored: list[int], given: list[int]) -> int:
    """Return how many messages at the beginning of `given` are the last ones of `stored`. Both are numbers of messages.

    This is the search of Knuth, Morris and Pratt, which takes one look at each message, however many are equal.
    """
    shorter = [0] * len(given)
    """By index: the next shorter beginning of `given` that ends there, too."""
    length = 0
    for index in range(1, len(given)):
        while length and given[index] != given[length]:
            length = shorter[length - 1]
        length += given[index] == given[length]
        shorter[index] = length
    length = 0
    for number in stored:
        while length and (length == len(given) or number != given[length]):
            length = shorter[length - 1]
        length += bool(given) and number == given[length]
    return length


def _branch(stored: list[int], given: list[int], messages: list[Message], *, continuing: bool) -> int | None:
    """Return how many messages of `given` repeat `stored` from its beginning, with turns of `stored` left out.

    None: `given` is no branch. The last message is always new, and so is a question that is repeated without its
    answer: 0 is a client that has another answer to the first question.
    `stored` and `given` are numbers of messages, `messages` those of `given`.
    """
    known, repeated = 0, given[:-1]
    if not repeated or not stored or stored[0] != repeated[0]:
        return None
    position = 0
    for count, number in enumerate(repeated, start=1):
        try:
            position = stored.index(number, position) + 1
        except ValueError:
            break
        if messages[count - 1]["role"] == "assistant" or (continuing and count == len(repeated)):
            known = count
    answered = any(message["role"] == "assistant" for message in messages[:-1])
    return known if known or answered else None


def _extends(longer: Message, message: Message) -> bool:
    """Return whether `longer` is `message` with more text at its end."""
    return longer["role"] == message["role"] and text_of(longer).startswith(text_of(message).rstrip())


def _append(content: Any, more: str) -> Any:
    """Return `content`, a string, a list of text parts or None, with `more` at its end."""
    if not isinstance(content, list):
        return (content or "") + more
    return [*content[:-1], {**content[-1], "text": content[-1]["text"] + more}]
