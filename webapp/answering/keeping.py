"""What is stored of an answer when it is complete: the turn of a conversation, a response, or both."""

from collections.abc import Sequence
from typing import Any

import msgspec

from schemas.replies.message import assistant_message
from schemas.replies.response import ResponseShape
from schemas.replies.shape import Shape
from schemas.requests.parts.response_items import Item, name_items
from webapp.conversations.stored_responses import StoredResponse, turns_of
from webapp.conversations.turns import Message, OpenTurn, StoredTurn


class Keeping(msgspec.Struct, kw_only=True):
    """What to store, as it is known before there is an answer. msgspec can encode it."""

    conversation: str | None = None
    turn: OpenTurn | None = None
    """The turn of `conversation`."""
    echo: bool = False
    """Whether the answer may begin with a copy of the last message."""
    response: bool = False
    """Whether to store the response itself."""
    items: list[Item] = []
    """The input of a response."""
    messages: list[Message] = []
    """The whole conversation before the answer, without `instructions`; for a response."""

    def turns(self, reply: Shape) -> list[tuple[str, Sequence[StoredTurn]]]:
        """Return the turns to store of `reply`, which is complete, each with the conversation's name in the store."""
        choice = reply.choices[0]
        text, calls = "".join(choice.text), choice.tool_calls()
        output: list[dict[str, Any]] | None = None
        found: list[tuple[str, Sequence[StoredTurn]]] = []
        if isinstance(reply, ResponseShape):
            name_items(self.items, reply.new_item_id)
            output = reply.output
        if self.turn is not None and self.conversation is not None:
            found.append((self.conversation, [self.turn.complete(text, calls, echo=self.echo, items=output)]))
        if self.response and isinstance(reply, ResponseShape):
            stored = StoredResponse(reply.body(), self.items, [*self.messages, assistant_message(text, calls)])
            found.append(turns_of(stored))
        return found
