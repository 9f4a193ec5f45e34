"""`/v1/responses`: OpenAI's newer API, with the engine and the store that chat completions use."""

from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Blueprint, Response

from schemas.errors import invalid
from schemas.replies.message import assistant_message
from schemas.replies.response import ResponseShape
from schemas.replies.shape import Shape, encode_json
from schemas.requests.parts.response_items import name_items
from schemas.requests.responses import ResponseRequest
from webapp.answering import request_body
from webapp.answering.answer import answer
from webapp.answering.counting import prompt_tokens
from webapp.answering.message import renamed
from webapp.answering.response_prompt import ENGINE_NAMES, Asked, echoed, is_long, prepare
from webapp.conversations.paging import page
from webapp.conversations.stored_responses import StoredResponse
from webapp.middleware.auth import caller
from webapp.services import Services, services

blueprint = Blueprint("responses", __name__)


@blueprint.post("/v1/responses")
def create() -> Response:
    body: ResponseRequest = request_body.load(services().schemas.response)
    with renamed(ENGINE_NAMES):
        asked = prepare(body)
        make_shape = partial(ResponseShape, _echoed(body), body.conversation)
        keep = partial(_keep, body, asked, caller(), services()) if body.store or asked.turn is not None else None
        return answer(asked.request, make_shape, keep)


@blueprint.post("/v1/responses/input_tokens")
def count_input() -> dict[str, Any]:
    body: ResponseRequest = request_body.load(services().schemas.response)
    with renamed(ENGINE_NAMES):
        tokens = prompt_tokens(prepare(body).request.params)
    return {"object": "response.input_tokens", "input_tokens": tokens}


def _echoed(body: ResponseRequest) -> dict[str, Any]:
    return echoed(body, services().engine.require_ready())


def _keep(body: ResponseRequest, asked: Asked, scope: str, stores: Services, reply: Shape) -> str | None:
    """Store the response, and the turn of its conversation. Returns None, or a warning for the client.

    A stream calls this when its request's context has gone: `scope` and `stores` were taken from it.
    """
    assert isinstance(reply, ResponseShape)
    if is_long(asked.items):
        stores.loader.apply(name_items, (asked.items, reply.new_item_id))
    else:
        name_items(asked.items, reply.new_item_id)
    text, calls, warning = "".join(reply.choices[0].text), reply.choices[0].tool_calls(), None
    if asked.turn is not None and body.conversation is not None:
        turn = asked.turn.complete(text, calls, items=reply.output)
        warning = stores.conversations.add(scope, body.conversation, turn)
    if body.store:
        messages = [*asked.messages, assistant_message(text, calls)]
        stored = StoredResponse(reply.body(), asked.items, messages)
        warning = stores.responses.keep(scope, stored) or warning
    return warning


@blueprint.get("/v1/responses/<response_id>")
def retrieve(response_id: str) -> Response:
    return _read(response_id, lambda stored: stored.body)


@blueprint.get("/v1/responses/<response_id>/input_items")
def input_items(response_id: str) -> Response:
    part_of = page()
    return _read(response_id, lambda stored: part_of(stored.items))


def _read(response_id: str, work: Callable[[StoredResponse], dict[str, Any]]) -> Response:
    """Answer with what `work` makes of the response, in the store's thread. Raises `ApiError`, as `Responses.get`."""
    body = services().responses.get(caller(), response_id, lambda stored: encode_json(work(stored)))
    return Response(body, content_type="application/json")


@blueprint.delete("/v1/responses/<response_id>")
def delete(response_id: str) -> dict[str, Any]:
    services().responses.delete(caller(), response_id)
    return {"id": response_id, "object": "response", "deleted": True}


@blueprint.post("/v1/responses/<response_id>/cancel")
def cancel(response_id: str) -> dict[str, Any]:
    """Raise `ApiError` (400): no response runs in the background. A client cancels one by closing its connection."""
    services().responses.get(caller(), response_id, lambda stored: None)
    raise invalid("The response is complete: only one that runs in the background can be cancelled.", "response_id")
