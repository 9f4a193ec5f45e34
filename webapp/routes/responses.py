"""`/v1/responses`: OpenAI's newer API, over the same engine and the same store as chats and their conversations."""

from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Blueprint, Response

from schemas.errors import ApiError, invalid
from schemas.replies.message import assistant_message
from schemas.replies.response import ResponseShape
from schemas.replies.shape import Choice, Shape
from schemas.requests.responses import ResponseRequest
from schemas.requests.tools import check_results
from webapp.answering import request_body
from webapp.answering.answer import answer
from webapp.answering.message import renamed
from webapp.conversations.stored_responses import StoredResponse
from webapp.middleware.auth import caller
from webapp.services import services

blueprint = Blueprint("responses", __name__)

Message = dict[str, Any]
ENGINE_NAMES = {"messages": "input", "max_tokens": "max_output_tokens"}
"""What the engine calls a field, and what this API calls it."""


@blueprint.post("/v1/responses")
def create() -> Response:
    wanted: ResponseRequest = request_body.load(services().schemas.response)
    with renamed(ENGINE_NAMES):
        return _create(wanted)


def _create(wanted: ResponseRequest) -> Response:
    scope, responses = caller(), services().responses
    given = wanted.request.params.messages or []
    messages, keep_turn = _before(scope, wanted, given)
    if not messages:
        raise invalid("There is nothing to answer.", "input")
    check_results(messages, len(given))
    instructions = [{"role": "system", "content": wanted.instructions}] if wanted.instructions else []
    request = wanted.request.with_messages([*instructions, *messages])

    def keep(reply: Shape) -> str | None:
        assert isinstance(reply, ResponseShape)
        choice = reply.choices[0]
        warning = None if keep_turn is None else keep_turn(choice)
        if not wanted.store:
            return warning
        said = assistant_message("".join(choice.text), choice.tool_calls())
        return warning or responses.keep(scope, StoredResponse(reply.body(), wanted.items, [*messages, said]))

    make_shape = partial(ResponseShape, wanted.echoed, wanted.conversation)
    return answer(request, make_shape, keep if wanted.store or keep_turn is not None else None)


def _before(
    scope: str, wanted: ResponseRequest, given: list[Message]
) -> tuple[list[Message], Callable[[Choice], str | None] | None]:
    """The whole conversation, and what keeps this turn of it where it has a name."""
    if wanted.previous is not None:
        try:
            return [*services().responses.get(scope, wanted.previous).messages, *given], None
        except ApiError as error:
            error.param = "previous_response_id"
            raise
    if wanted.conversation is None:
        return given, None
    conversations, name = services().conversations, wanted.conversation
    turn = conversations.open(scope, name, given, continuing=False)
    return turn.messages, lambda choice: conversations.keep(scope, name, turn, choice, echo=False)


@blueprint.get("/v1/responses/<response_id>")
def retrieve(response_id: str) -> dict[str, Any]:
    return services().responses.get(caller(), response_id).body


@blueprint.get("/v1/responses/<response_id>/input_items")
def input_items(response_id: str) -> dict[str, Any]:
    items = services().responses.get(caller(), response_id).items
    data = [{"id": f"item_{index}", **item} for index, item in enumerate(items)]
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {}
    return {"object": "list", "data": data, "has_more": False, **ends}


@blueprint.delete("/v1/responses/<response_id>")
def delete(response_id: str) -> dict[str, Any]:
    services().responses.delete(caller(), response_id)
    return {"id": response_id, "object": "response", "deleted": True}


@blueprint.post("/v1/responses/<response_id>/cancel")
def cancel(response_id: str) -> dict[str, Any]:
    """Only what runs in the background can be cancelled so; hanging up cancels what a client waits for."""
    services().responses.get(caller(), response_id)
    raise invalid("The response is complete: only one that runs in the background can be cancelled.", "response_id")
