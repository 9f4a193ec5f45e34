"""OpenAI's `/v1/conversations`: the request bodies."""

from typing import Any

from marshmallow import post_load

from schemas.requests.parts.json_types import Body, optional
from schemas.requests.parts.response_items import Input
from schemas.requests.response_options import Metadata

ITEMS = "Items as in the `input` of a response: messages, function calls and their outputs, reasoning."


class ConversationCreationSchema(Body):
    """The body of `POST /v1/conversations`."""

    metadata = optional(Metadata, {}, "Returned with the conversation: up to 16 texts by name.")
    items = optional(Input, [], ITEMS)

    @post_load
    def _fill(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        self.fill_defaults(data)
        return data


class ConversationUpdateSchema(Body):
    """The body of `POST /v1/conversations/{id}`."""

    metadata = optional(Metadata, {}, "Replaces the conversation's metadata: up to 16 texts by name.")

    @post_load
    def _fill(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        self.fill_defaults(data)
        return data


class ConversationItemsSchema(Body):
    """The body of `POST /v1/conversations/{id}/items`."""

    items = Input(required=True, metadata={"description": ITEMS})
