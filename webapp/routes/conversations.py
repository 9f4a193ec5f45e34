"""`/v1/conversations`: the stored conversations of the API key in use, as OpenAI has them.

A conversation's `messages`, and its id that a client may choose, are Hearth's own.
"""

from typing import Any

from flask import Blueprint

from schemas.errors import ApiError, quoted
from schemas.requests.parts.item_messages import grouped
from schemas.requests.parts.response_items import Item, name_items
from schemas.shared.ids import new_id
from webapp.answering import request_body
from webapp.conversations.conversations import is_name
from webapp.conversations.paging import listed, page
from webapp.conversations.turns import StoredTurn, conversation_items, history, metadata
from webapp.middleware.auth import caller
from webapp.services import services

blueprint = Blueprint("conversations", __name__)

ROOT = "/v1/conversations"


@blueprint.post(ROOT)
def create() -> dict[str, Any]:
    body = request_body.load(services().schemas.conversation)
    name = new_id("conv")
    turn = _turn_of(_resolved(body["items"]), [])
    turn.messages.append({"metadata": body["metadata"]})
    services().conversations.extend(caller(), name, [], turn)
    return _described(name, [turn])


@blueprint.get(f"{ROOT}/<path:name>", merge_slashes=False)
def retrieve(name: str) -> dict[str, Any]:
    turns = _turns(name)
    return _described(name, turns) | {"updated_at": int(turns[-1].created), "messages": history(turns)}


@blueprint.post(f"{ROOT}/<path:name>", merge_slashes=False)
def update(name: str) -> dict[str, Any]:
    body = request_body.load(services().schemas.conversation_update)
    return _described(name, _extended(name, StoredTurn([{"metadata": body["metadata"]}])))


@blueprint.delete(f"{ROOT}/<path:name>", merge_slashes=False)
def delete(name: str) -> dict[str, Any]:
    """Delete a conversation. A turn still being answered is stored afterwards, as the first of a new conversation."""
    if not is_name(name) or not services().conversations.delete(caller(), name):
        raise _not_found(name)
    return {"id": name, "object": "conversation.deleted", "deleted": True}


@blueprint.get(f"{ROOT}/<path:name>/items", merge_slashes=False)
def list_items(name: str) -> dict[str, Any]:
    return page(conversation_items(_turns(name)))


@blueprint.post(f"{ROOT}/<path:name>/items", merge_slashes=False)
def create_items(name: str) -> dict[str, Any]:
    items, turns = request_body.load(services().schemas.conversation_items)["items"], _turns(name)
    items = _resolved(items)
    services().conversations.extend(caller(), name, turns, _turn_of(items, turns))
    return listed(items)


@blueprint.get(f"{ROOT}/<path:name>/items/<item_id>", merge_slashes=False)
def retrieve_item(name: str, item_id: str) -> Item:
    return _item(_turns(name), item_id)


@blueprint.delete(f"{ROOT}/<path:name>/items/<item_id>", merge_slashes=False)
def delete_item(name: str, item_id: str) -> dict[str, Any]:
    _item(_turns(name), item_id)
    return _described(name, _extended(name, StoredTurn([{"deleted": item_id}])))


def _described(name: str, turns: list[StoredTurn]) -> dict[str, Any]:
    """Return OpenAI's conversation object."""
    created = int(turns[0].created)
    return {"id": name, "object": "conversation", "created_at": created, "metadata": metadata(turns)}


def _turns(name: str) -> list[StoredTurn]:
    """Return the conversation's turns. Raises `ApiError`: 404, 400 if it is too long, 503 if the database fails."""
    turns = services().conversations.turns(caller(), name) if is_name(name) else []
    if not turns:
        raise _not_found(name)
    return turns


def _extended(name: str, turn: StoredTurn) -> list[StoredTurn]:
    """Store `turn` as the conversation's last, and return all turns. Raises `ApiError`, as `_turns` does."""
    turns = _turns(name)
    services().conversations.extend(caller(), name, turns, turn)
    return [*turns, turn]


def _resolved(items: list[Item]) -> list[Item]:
    """Return `items` with stored items in place of references, each with an id."""
    items = services().responses.resolve(caller(), items, "items")
    name_items(items, new_id)
    return items


def _turn_of(items: list[Item], turns: list[StoredTurn]) -> StoredTurn:
    """Return the turn that adds `items` to `turns`."""
    messages = [{**message, "items": its} for message, its in grouped(items)]
    begins = messages and messages[0]["role"] in ("system", "developer") and not history(turns)
    return StoredTurn(messages[1:], leading=messages[0]) if begins else StoredTurn(messages)


def _item(turns: list[StoredTurn], item_id: str) -> Item:
    found = next((item for item in conversation_items(turns) if item["id"] == item_id), None)
    if found is None:
        raise ApiError(404, f"There is no item {quoted(item_id)}.", param="item_id", code="item_not_found")
    return found


def _not_found(name: str) -> ApiError:
    return ApiError(404, f"There is no conversation {name!r}.", param="conversation_id", code="conversation_not_found")
