"""`GET` and `DELETE /v1/conversations/{id}`: read or delete a stored conversation of the API key in use."""

from typing import Any

from flask import Blueprint

from schemas.errors import ApiError
from webapp.conversations.conversations import is_name
from webapp.middleware.auth import caller
from webapp.services import services

blueprint = Blueprint("conversations", __name__)


@blueprint.get("/v1/conversations/<path:name>", merge_slashes=False)
def retrieve(name: str) -> dict[str, Any]:
    found = services().conversations.get(caller(), name) if is_name(name) else None
    if found is None:
        raise _not_found(name)
    return {
        "id": name,
        "object": "conversation",
        "created_at": int(found.created),
        "updated_at": int(found.updated),
        "messages": found.messages,
    }


@blueprint.delete("/v1/conversations/<path:name>", merge_slashes=False)
def delete(name: str) -> dict[str, Any]:
    """Delete a conversation. A turn still being answered is stored afterwards, as the first of a new conversation."""
    if not is_name(name) or not services().conversations.delete(caller(), name):
        raise _not_found(name)
    return {"id": name, "object": "conversation.deleted", "deleted": True}


def _not_found(name: str) -> ApiError:
    return ApiError(404, f"There is no conversation {name!r}.", param="conversation_id", code="conversation_not_found")
