"""`/v1/messages`: Anthropic's API, with the engine that chat completions use."""

from functools import partial
from typing import Any

from flask import Blueprint, Response
from msgspec import structs

from schemas.replies.anthropic.message import MessageShape
from schemas.requests.anthropic.messages import MessagesRequest
from schemas.wire import GenerateParams
from webapp.answering import request_body
from webapp.answering.answer import answer
from webapp.answering.counting import prompt_tokens
from webapp.answering.message import renamed
from webapp.jobs.responding import answer_resumable, wants_resumable
from webapp.services import services

blueprint = Blueprint("messages", __name__)


@blueprint.post("/v1/messages")
def create() -> Response:
    body: MessagesRequest = request_body.load(services().schemas.message, MessagesRequest.check)
    body.request.params = _within_context(body.request.params)
    make_shape = partial(MessageShape, body.stops)
    with renamed(MessageShape.engine_names):
        if wants_resumable(body.request):
            return answer_resumable(body.request, "message", None, make_shape, None)
        return answer(body.request, make_shape)


@blueprint.post("/v1/messages/count_tokens")
def count_tokens() -> dict[str, Any]:
    body: MessagesRequest = request_body.load(services().schemas.message_count, MessagesRequest.check)
    with renamed(MessageShape.engine_names):
        return {"input_tokens": prompt_tokens(body.request.params)}


def _within_context(params: GenerateParams) -> GenerateParams:
    """Return `params` with no more `max_tokens` than the context has: Claude Code asks every model for 32,000."""
    limit = services().engine.require_ready().max_model_len
    if (params.sampling.max_tokens or 0) <= limit:
        return params
    return structs.replace(params, sampling=structs.replace(params.sampling, max_tokens=limit))
