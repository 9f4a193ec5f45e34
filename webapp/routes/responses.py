"""`/v1/responses`: OpenAI's newer API, with the engine and the store that chat completions use."""

from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Blueprint, Response

from schemas.errors import ApiError, invalid
from schemas.replies.message import assistant_message
from schemas.replies.response import ResponseShape
from schemas.replies.shape import Choice, Shape
from schemas.requests.parts.response_items import place_of
from schemas.requests.parts.tools import check_results
from schemas.requests.responses import ResponseRequest
from webapp.answering import request_body
from webapp.answering.answer import answer
from webapp.answering.message import renamed
from webapp.conversations.stored_responses import StoredResponse
from webapp.middleware.auth import caller
from webapp.services import services

blueprint = Blueprint("responses", __name__)

Message = dict[str, Any]
ENGINE_NAMES = {"messages": "input", "max_tokens": "max_output_tokens", r"(tools\[\d+\])\.function": r"\1"}
"""This API's name of a field, by the engine's: a regular expression, and what replaces it."""


@blueprint.post("/v1/responses")
def create() -> Response:
    body: ResponseRequest = request_body.load(services().schemas.response)
    with renamed(ENGINE_NAMES):
        return _create(body)


def _create(body: ResponseRequest) -> Response:
    scope, responses = caller(), services().responses
    given = body.request.params.messages or []
    messages, keep_turn = _with_history(scope, body, given)
    if not messages:
        raise invalid("There is nothing to answer.", "input")
    check_results(messages, len(given), partial(place_of, body.items))
    instructions = [{"role": "system", "content": body.instructions}] if body.instructions else []
    request = body.request.with_messages([*instructions, *messages])

    def keep(reply: Shape) -> str | None:
        assert isinstance(reply, ResponseShape)
        choice = reply.choices[0]
        warning = None if keep_turn is None else keep_turn(choice)
        if not body.store:
            return warning
        answered = assistant_message("".join(choice.text), choice.tool_calls())
        return warning or responses.keep(scope, StoredResponse(reply.body(), body.items, [*messages, answered]))

    make_shape = partial(ResponseShape, body.echoed, body.conversation)
    return answer(request, make_shape, keep if body.store or keep_turn is not None else None)


def _with_history(
    scope: str, body: ResponseRequest, given: list[Message]
) -> tuple[list[Message], Callable[[Choice], str | None] | None]:
    """Return the whole conversation, and a function that stores this turn of it. None: it is not a named conversation.

    The function returns a warning for the client if the database fails.
    """
    if body.previous is not None:
        try:
            return [*services().responses.get(scope, body.previous).messages, *given], None
        except ApiError as error:
            error.param = "previous_response_id"
            raise
    if body.conversation is None:
        return given, None
    conversations, name = services().conversations, body.conversation
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
    """Raise `ApiError` (400): no response runs in the background. A client cancels one by closing its connection."""
    services().responses.get(caller(), response_id)
    raise invalid("The response is complete: only one that runs in the background can be cancelled.", "response_id")
