"""`/v1/conversations`: the stored conversations of the API key in use, as OpenAI has them.

A conversation's `messages`, and its id that a client may choose, are Hearth's own.
"""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response

from schemas.errors import ApiError, quoted
from schemas.replies.shape import encode_json
from schemas.requests.parts.item_messages import grouped
from schemas.requests.parts.response_items import Item, name_items
from schemas.shared.ids import new_id
from webapp.answering import request_body
from webapp.answering.response_prompt import is_long
from webapp.conversations.conversations import is_name
from webapp.conversations.paging import listed, page
from webapp.conversations.turns import StoredTurn, conversation_items, history, metadata
from webapp.middleware.auth import caller
from webapp.services import services

blueprint = Blueprint("conversations", __name__)

ROOT = "/v1/conversations"


@blueprint.post(ROOT)
def create() -> Response:
    body = request_body.load(services().schemas.conversation)
    name, items = new_id("conv"), _resolved(body["items"])

    def made(turns: list[StoredTurn]) -> tuple[StoredTurn, StoredTurn]:
        turn = _turn_of(items, turns)
        turn.messages.append({"metadata": body["metadata"]})
        return turn, turn

    turn = services().conversations.extend(caller(), name, made)
    return _as_json(encode_json(_described(name, turn.created, body["metadata"])))


@blueprint.get(f"{ROOT}/<path:name>", merge_slashes=False)
def retrieve(name: str) -> Response:
    def shown(turns: list[StoredTurn]) -> dict[str, Any]:
        described = _described(name, turns[0].created, metadata(turns))
        return described | {"updated_at": int(turns[-1].created), "messages": history(turns)}

    return _read(name, shown)


@blueprint.post(f"{ROOT}/<path:name>", merge_slashes=False)
def update(name: str) -> Response:
    body = request_body.load(services().schemas.conversation_update)
    given = body["metadata"]
    return _extended(name, lambda turns: (StoredTurn([{"metadata": given}]), _described(name, turns[0].created, given)))


@blueprint.delete(f"{ROOT}/<path:name>", merge_slashes=False)
def delete(name: str) -> dict[str, Any]:
    """Delete a conversation. A turn still being answered is stored afterwards, as the first of a new conversation."""
    if not is_name(name) or not services().conversations.delete(caller(), name):
        raise _not_found(name)
    return {"id": name, "object": "conversation.deleted", "deleted": True}


@blueprint.get(f"{ROOT}/<path:name>/items", merge_slashes=False)
def list_items(name: str) -> Response:
    part_of = page()
    return _read(name, lambda turns: part_of(conversation_items(turns)))


@blueprint.post(f"{ROOT}/<path:name>/items", merge_slashes=False)
def create_items(name: str) -> Response:
    items = request_body.load(services().schemas.conversation_items)["items"]
    _read(name, metadata)  # an unknown conversation is a 404 before an unknown item is
    items = _resolved(items)
    return _extended(name, lambda turns: (_turn_of(items, turns), listed(items)))


@blueprint.get(f"{ROOT}/<path:name>/items/<item_id>", merge_slashes=False)
def retrieve_item(name: str, item_id: str) -> Response:
    return _read(name, lambda turns: _item(turns, item_id))


@blueprint.delete(f"{ROOT}/<path:name>/items/<item_id>", merge_slashes=False)
def delete_item(name: str, item_id: str) -> Response:
    def made(turns: list[StoredTurn]) -> tuple[StoredTurn, dict[str, Any]]:
        _item(turns, item_id)
        return StoredTurn([{"deleted": item_id}]), _described(name, turns[0].created, metadata(turns))

    return _extended(name, made)


def _described(name: str, created: float, metadata: dict[str, str]) -> dict[str, Any]:
    """Return OpenAI's conversation object."""
    return {"id": name, "object": "conversation", "created_at": int(created), "metadata": metadata}


def _read(name: str, work: Callable[[list[StoredTurn]], dict[str, Any]]) -> Response:
    """Answer with what `work` makes of the conversation's turns, in the store's thread.

    Raises `ApiError`: 404, 400 if the conversation is too long, 503 if the database fails, and what `work` raises.
    """
    if not is_name(name):
        raise _not_found(name)
    return _as_json(services().conversations.read(caller(), name, lambda turns: encode_json(work(_some(name, turns)))))


def _extended(name: str, make: Callable[[list[StoredTurn]], tuple[StoredTurn, dict[str, Any]]]) -> Response:
    """Store the turn that `make` makes of the conversation's turns, and answer with its second result.

    Raises `ApiError`, as `_read` does.
    """
    if not is_name(name):
        raise _not_found(name)

    def made(turns: list[StoredTurn]) -> tuple[StoredTurn, bytes]:
        turn, reply = make(_some(name, turns))
        return turn, encode_json(reply)

    return _as_json(services().conversations.extend(caller(), name, made))


def _some(name: str, turns: list[StoredTurn]) -> list[StoredTurn]:
    if not turns:
        raise _not_found(name)
    return turns


def _as_json(body: bytes) -> Response:
    return Response(body, content_type="application/json")


def _resolved(items: list[Item]) -> list[Item]:
    """Return `items` with stored items in place of references, each with an id."""
    items = services().responses.resolve(caller(), items, "items")
    if is_long(items):
        services().loader.apply(name_items, (items, new_id))
    else:
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
