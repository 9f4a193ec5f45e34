"""`POST /tokenize` and `/detokenize`: convert between text and the model's tokens, without generating."""

from typing import Any

from flask import Blueprint

from schemas import wire
from schemas.errors import unavailable
from schemas.requests.generation import Request
from webapp.answering import request_body
from webapp.answering.message import make_message, renamed
from webapp.middleware import call
from webapp.services import services

blueprint = Blueprint("tokenization", __name__)

WAIT_SECONDS = 60.0
"""How many seconds to wait for the engine: enough for the longest body on a busy engine."""


@blueprint.post("/tokenize")
def tokenize() -> dict[str, Any]:
    welcome = services().engine.require_ready()
    request: Request = request_body.load(services().schemas.tokenize)
    accepted, delta = _submit(request.params)
    (ids,) = accepted.prompt_token_ids
    reply = {
        "count": len(ids),
        "max_model_len": welcome.max_model_len,
        "tokens": ids,
        "token_strs": None if delta.logprobs is None else [token.text for token in delta.logprobs],
    }
    return {**reply, "warning": " ".join(request.warnings)} if request.warnings else reply


@blueprint.post("/detokenize")
def detokenize() -> dict[str, Any]:
    services().engine.require_ready()
    with renamed({"prompt": "tokens"}):
        request: Request = request_body.load(services().schemas.detokenize)
        _, delta = _submit(request.params)
    return {"prompt": delta.text}


def _submit(params: wire.GenerateParams) -> tuple[wire.Accepted, wire.Delta]:
    shared = services()
    reply = shared.engine.submit(make_message(call.current(), shared, params, name="tokenize"))
    try:
        deltas = reply.deltas(WAIT_SECONDS)
    finally:
        reply.close()
    if not deltas or reply.accepted is None:
        raise unavailable("The engine is too busy.", "engine_busy")
    return reply.accepted, deltas[0]
