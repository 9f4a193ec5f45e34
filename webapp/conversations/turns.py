"""What a turn adds to a conversation: which of a request's messages are new, and what is kept of its answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from schemas.replies.message import assistant_message

Message = dict[str, Any]

WINDOW = 64
"""The most messages in which the last part of a conversation is looked for."""


@dataclass(slots=True)
class StoredTurn:
    """The new messages of one completed turn, its answer last."""

    messages: list[Message]
    leading: Message | None = None
    """A system or developer message that from here on takes the place of the one before."""
    continues: bool = False
    """The first message is the conversation's last one, grown (`continue_final_message`)."""
    created: float = 0.0
    """Unix time in seconds: set when it is stored."""


def history(turns: list[StoredTurn]) -> list[Message]:
    """The conversation that `turns` make, the leading message first."""
    leading: list[Message] = []
    messages: list[Message] = []
    for turn in turns:
        if turn.leading is not None:
            leading = [turn.leading]
        # Where another turn ended in between, the grown message follows that: nothing is lost.
        if turn.continues and messages and _extends(turn.messages[0], messages[-1]):
            messages.pop()
        messages += turn.messages
    return leading + messages


@dataclass(slots=True)
class OpenTurn:
    """A turn that is being answered."""

    messages: list[Message]
    """The whole conversation, for the model."""
    new: list[Message]
    leading: Message | None
    """As in `StoredTurn`, like `continues`."""
    continues: bool
    grows: bool
    """The answer is no message of its own, but goes on with the last of `new`."""

    def ended(self, answer: str, calls: Sequence[Message] = (), *, echo: bool) -> StoredTurn:
        """`echo`: the answer may begin with the last message, repeated."""
        last = self.messages[-1]
        if echo and last["role"] == "assistant":
            answer = answer.removeprefix(text_of(last))
        if self.grows:
            messages = [*self.new[:-1], {**last, "content": _grown(last["content"], answer)}]
        else:
            messages = [*self.new, assistant_message(answer, calls)]
        return StoredTurn(messages, self.leading, self.continues)


def open_turn(stored: list[Message], given: list[Message], *, continuing: bool) -> OpenTurn:
    """Put `given` after `stored`, less what it repeats: a client may send the conversation itself, or its last part.

    A leading system or developer message takes the place of the stored one. With `continuing` the answer goes on with
    the last message, which may be the stored one.
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
        grows=continuing and bool(new),
    )


def text_of(message: Message) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def _split(messages: list[Message]) -> tuple[list[Message], list[Message]]:
    """The leading message, as a list of none or one, and the rest."""
    count = 1 if messages and messages[0]["role"] in ("system", "developer") else 0
    return messages[:count], messages[count:]


def _end_with(stored: list[Message], given: list[Message]) -> bool:
    return len(given) <= len(stored) and all(map(_same, stored[len(stored) - len(given) :], given))


def _same(one: Message, other: Message) -> bool:
    """Clients send an answer back as text or as a list of one part, and often trimmed."""
    return _compared(one) == _compared(other)


def _compared(message: Message) -> Message:
    """What it thought is not kept, but may be sent back."""
    return {**message, "content": text_of(message).strip(), "reasoning": None}


def _extends(grown: Message, message: Message) -> bool:
    return grown["role"] == message["role"] and text_of(grown).startswith(text_of(message).rstrip())


def _grown(content: Any, more: str) -> Any:
    if not isinstance(content, list):
        return (content or "") + more
    return [*content[:-1], {**content[-1], "text": content[-1]["text"] + more}]
