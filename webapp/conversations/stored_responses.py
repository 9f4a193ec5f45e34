"""Responses that the server keeps: in the store of the conversations, each as a conversation of one turn.

A response has the whole of its history with it, so that it can be gone on from when an earlier one has been deleted.
"""

from dataclasses import dataclass
from typing import Any

from schemas.errors import ApiError
from webapp.conversations.conversations import Conversations
from webapp.conversations.turns import Message, StoredTurn

MARK = "\x1f"
"""Before a response's id in the store: a conversation's own id has no unprintable character."""


@dataclass(frozen=True, slots=True)
class StoredResponse:
    body: dict[str, Any]
    items: list[dict[str, Any]]
    """The request's own input."""
    messages: list[Message]
    """The whole conversation, with the answer."""


class Responses:
    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations

    def get(self, scope: str, response_id: str) -> StoredResponse:
        """Raises `ApiError`: 404, or 503 where the database fails."""
        turns = self._conversations.turns(scope, MARK + response_id)
        if not turns:
            raise _not_found(response_id)
        record, *messages = turns[0].messages
        return StoredResponse(record["body"], record["items"], messages)

    def delete(self, scope: str, response_id: str) -> None:
        """Raises `ApiError`, as `get` does."""
        if not self._conversations.delete(scope, MARK + response_id):
            raise _not_found(response_id)

    def keep(self, scope: str, response: StoredResponse) -> str | None:
        """Returns a warning for the client where it cannot be stored."""
        messages = [{"body": response.body, "items": response.items}, *response.messages]
        return self._conversations.add(scope, MARK + response.body["id"], StoredTurn(messages))


def _not_found(response_id: str) -> ApiError:
    return ApiError(404, f"There is no response {response_id!r}.", param="response_id", code="response_not_found")
