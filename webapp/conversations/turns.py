"""The turns of a conversation: which of a request's messages are new, and what is stored of its answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from schemas.replies.message import assistant_message

Message = dict[str, Any]

WINDOW = 64
"""Most messages at the end of a stored conversation that are compared with the beginning of a request's."""


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


def history(turns: list[StoredTurn]) -> list[Message]:
    """Return the conversation's messages from its `turns`, the system or developer message first."""
    leading: list[Message] = []
    messages: list[Message] = []
    for turn in turns:
        if turn.leading is not None:
            leading = [turn.leading]
        # Where another turn was stored in between, the longer message is appended instead: nothing is lost.
        if turn.continues and messages and _extends(turn.messages[0], messages[-1]):
            messages.pop()
        messages += turn.messages
    return leading + messages


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

    def complete(self, answer: str, calls: Sequence[Message] = (), *, echo: bool) -> StoredTurn:
        """Return the turn to store. `echo`: the answer may begin with a copy of the last message, which is removed."""
        last = self.messages[-1]
        if echo and last["role"] == "assistant":
            answer = answer.removeprefix(text_of(last))
        if self.extends_last:
            messages = [*self.new[:-1], {**last, "content": _append(last["content"], answer)}]
        else:
            messages = [*self.new, assistant_message(answer, calls)]
        return StoredTurn(messages, self.leading, self.continues)


def open_turn(stored: list[Message], given: list[Message], *, continuing: bool) -> OpenTurn:
    """Return the turn that appends the request's messages, `given`, to the conversation's, `stored`.

    A client may repeat the whole conversation or its last part: those of `given` are not appended again.
    A system or developer message at the beginning of `given` replaces the stored one.
    `continuing`: the answer continues the last message, which may be a stored one (`continue_final_message`).
    """
    old_leading, old = _split(stored)
    leading, new = _split(given)
    if continuing:
        new = new or old[-1:]
    continues = False
    if continuing and old and _end_with(old[:-1], new[:-1]) and _extends(new[-1], old[-1]):
        continues, old, new = True, old[:-1], new[-1:]
    else:
        lengths = (len(old), *range(min(len(old) - 1, WINDOW), 0, -1))
        new = next((new[length:] for length in lengths if _end_with(old, new[:length])), new)
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


def _end_with(stored: list[Message], given: list[Message]) -> bool:
    """Return whether the last messages of `stored` are `given`."""
    return len(given) <= len(stored) and all(map(_same, stored[len(stored) - len(given) :], given))


def _same(one: Message, other: Message) -> bool:
    """Return whether two messages are equal, apart from what clients change when they send an answer back.

    They send it as a string or as a list of one part, often stripped, and with or without its reasoning.
    """
    return _normalized(one) == _normalized(other)


def _normalized(message: Message) -> Message:
    return {**message, "content": text_of(message).strip(), "reasoning": None}


def _extends(longer: Message, message: Message) -> bool:
    """Return whether `longer` is `message` with more text at its end."""
    return longer["role"] == message["role"] and text_of(longer).startswith(text_of(message).rstrip())


def _append(content: Any, more: str) -> Any:
    """Return `content`, a string, a list of text parts or None, with `more` at its end."""
    if not isinstance(content, list):
        return (content or "") + more
    return [*content[:-1], {**content[-1], "text": content[-1]["text"] + more}]
