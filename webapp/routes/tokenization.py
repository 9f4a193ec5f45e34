"""`POST /tokenize` and `/detokenize`: the model's tokens, without generating any."""

from typing import Any

from flask import Blueprint, current_app

from schemas import wire
from schemas.errors import unavailable
from webapp.answering import request_body
from webapp.answering.answer import check_engine, renamed
from webapp.engine.client import EngineClient
from webapp.engine.reply import Reply
from webapp.middleware.auth import caller

blueprint = Blueprint("tokenization", __name__)

WAIT_SECONDS = 60.0
"""For the longest body on a busy engine."""


@blueprint.post("/tokenize")
def tokenize() -> dict[str, Any]:
    welcome = _engine().require_ready()
    reply, delta = _ask(request_body.load(current_app.extensions["tokenize_schema"]), welcome)
    (ids,) = reply.prompt_token_ids
    return {
        "count": len(ids),
        "max_model_len": welcome.max_model_len,
        "tokens": ids,
        "token_strs": None if delta.logprobs is None else [token.text for token in delta.logprobs],
    }


@blueprint.post("/detokenize")
def detokenize() -> dict[str, Any]:
    welcome = _engine().require_ready()
    with renamed({"prompt": "tokens"}):
        _, delta = _ask(request_body.load(current_app.extensions["detokenize_schema"]), welcome)
    return {"prompt": delta.text}


def _ask(generate: wire.Generate, welcome: wire.Welcome) -> tuple[Reply, wire.Delta]:
    check_engine(generate, welcome)
    generate.name, generate.tenant = "tokenize", caller()
    reply = _engine().submit(generate)
    try:
        deltas = reply.deltas(WAIT_SECONDS)
    finally:
        reply.close()
    if not deltas:
        raise unavailable("The engine is too busy.", "engine_busy")
    return reply, deltas[0]


def _engine() -> EngineClient:
    engine: EngineClient = current_app.extensions["engine"]
    return engine
