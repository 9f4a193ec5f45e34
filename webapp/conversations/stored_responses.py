"""Stored responses of the Responses API: each is stored as a conversation of two turns.

The first turn has the output items, and is marked with `continues`: an `item_reference` needs nothing else. The second
has the response and its whole history, so that it can be continued after an earlier response has been deleted.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from schemas.errors import ApiError, quoted
from schemas.requests.chat import MAX_CONVERSATION_ID
from schemas.requests.parts.response_items import Item
from webapp.conversations.conversations import Conversations, is_name
from webapp.conversations.turns import Message, StoredTurn

Result = TypeVar("Result")

MARK = "\x1f"
"""Prefix of a response's id in the store. No `conversation_id` begins with it: it is not a printable character."""
ITEM_ID = re.compile(r"[a-z]+_([0-9a-f]{32})[0-9a-f]{4}")
"""The id of a stored response's item. Its first 32 digits are those of the response's id."""
MAX_INPUTS = 8
"""Most responses that are read whole for one request, to find items of their input."""


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """One response, with what is needed to continue it."""

    body: dict[str, Any]
    items: list[Item]
    """The input items of the request itself, without its history."""
    messages: list[Message]
    """The whole conversation, ending with the answer."""


class Responses:
    """The stored responses. `scope` is `ApiKey.scope`: each key sees only its own."""

    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations

    def get(self, scope: str, response_id: str, work: Callable[[StoredResponse], Result]) -> Result:
        """Return what `work` makes of the response, in the store's thread: a response may have megabytes.

        Raises `ApiError`: 404, 503 where the database fails, and what `work` raises.
        """

        def of_some(found: StoredResponse | None) -> Result:
            if found is None:
                raise response_not_found(response_id)
            return work(found)

        return self.read(scope, response_id, of_some)

    def read(self, scope: str, response_id: str, work: Callable[[StoredResponse | None], Result]) -> Result:
        """Return what `work` makes of the response, as `get` does. It gets None where the response is not stored."""

        def of_turns(turns: list[StoredTurn]) -> Result:
            if not turns:
                return work(None)
            record, *messages = turns[-1].messages
            return work(StoredResponse(record["body"], record["items"], messages))

        return self._conversations.read(scope, MARK + response_id, of_turns) if _is_id(response_id) else work(None)

    def delete(self, scope: str, response_id: str) -> None:
        """Delete the response. Raises `ApiError`, as `get` does."""
        if not _is_id(response_id) or not self._conversations.delete(scope, MARK + response_id):
            raise response_not_found(response_id)

    def keep(self, scope: str, response: StoredResponse) -> str | None:
        """Store the response. Returns None, or a warning for the client where the database fails."""
        name, turns = turns_of(response)
        return self._conversations.add(scope, name, *turns)

    def resolve(self, scope: str, items: list[Item], field: str = "input") -> list[Item]:
        """Return `items` with the stored item in place of each reference to one.

        Raises `ApiError`, as `get` does. `field` is the request's field that holds `items`.
        """
        wanted = {item["id"] for item in items if item["type"] == "item_reference"}
        if not wanted:
            return items
        stored: dict[str, Item] = {}

        def take(found: Iterable[Item]) -> None:
            stored.update((item["id"], item) for item in found if item["id"] in wanted)

        if owners := _owners(wanted):
            self._conversations.continuing(scope, [f"{MARK}resp_{digits}" for digits in owners], take)
        for digits in sorted(_owners(wanted - stored.keys()))[:MAX_INPUTS]:
            self.read(scope, f"resp_{digits}", lambda found: take(found.items if found else ()))
        return [_resolved(field, index, item, stored) for index, item in enumerate(items)]


def turns_of(response: StoredResponse) -> tuple[str, list[StoredTurn]]:
    """Return the two turns that are stored of a response, and the name of their conversation."""
    output = StoredTurn(response.body["output"], continues=True)
    record = StoredTurn([{"body": response.body, "items": response.items}, *response.messages])
    return MARK + response.body["id"], [output, record]


def _owners(item_ids: Iterable[str]) -> set[str]:
    """Return the digits of the responses that have the items."""
    return {match[1] for item_id in item_ids if (match := ITEM_ID.fullmatch(item_id))}


def _resolved(field: str, index: int, item: Item, stored: dict[str, Item]) -> Item:
    if item["type"] != "item_reference":
        return item
    if item["id"] not in stored:
        raise ApiError(
            404,
            f"There is no stored item {quoted(item['id'])}: it may belong to a response with `store` false.",
            param=f"{field}[{index}].id",
            code="item_not_found",
        )
    return stored[item["id"]]


def _is_id(response_id: str) -> bool:
    return is_name(response_id) and len(response_id) < MAX_CONVERSATION_ID  # `MARK` is one character more


def response_not_found(response_id: str) -> ApiError:
    """Return the 404 of a response that is not stored, or another key's."""
    return ApiError(404, f"There is no response {quoted(response_id)}.", param="response_id", code="response_not_found")
