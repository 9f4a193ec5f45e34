"""Stored responses of the Responses API: each is stored as a conversation of one turn.

A response is stored with its whole history, so that it can be continued after an earlier response has been deleted.
"""

from dataclasses import dataclass
from typing import Any

from schemas.errors import ApiError, quoted
from schemas.requests.chat import MAX_CONVERSATION_ID
from webapp.conversations.conversations import Conversations, is_name
from webapp.conversations.turns import Message, StoredTurn

MARK = "\x1f"
"""Prefix of a response's id in the store. No `conversation_id` begins with it: it is not a printable character."""


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """One response, with what is needed to continue it."""

    body: dict[str, Any]
    items: list[dict[str, Any]]
    """The input items of the request itself, without its history."""
    messages: list[Message]
    """The whole conversation, ending with the answer."""


class Responses:
    """The stored responses. `scope` is `ApiKey.scope`: each key sees only its own."""

    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations

    def get(self, scope: str, response_id: str) -> StoredResponse:
        """Return the response. Raises `ApiError`: 404, or 503 where the database fails."""
        turns = self._conversations.turns(scope, MARK + response_id) if _is_id(response_id) else []
        if not turns:
            raise _not_found(response_id)
        record, *messages = turns[0].messages
        return StoredResponse(record["body"], record["items"], messages)

    def delete(self, scope: str, response_id: str) -> None:
        """Delete the response. Raises `ApiError`, as `get` does."""
        if not _is_id(response_id) or not self._conversations.delete(scope, MARK + response_id):
            raise _not_found(response_id)

    def keep(self, scope: str, response: StoredResponse) -> str | None:
        """Store the response. Returns None, or a warning for the client where the database fails."""
        messages = [{"body": response.body, "items": response.items}, *response.messages]
        return self._conversations.add(scope, MARK + response.body["id"], StoredTurn(messages))


def _is_id(response_id: str) -> bool:
    return is_name(response_id) and len(response_id) < MAX_CONVERSATION_ID  # `MARK` is one character more


def _not_found(response_id: str) -> ApiError:
    return ApiError(404, f"There is no response {quoted(response_id)}.", param="response_id", code="response_not_found")
