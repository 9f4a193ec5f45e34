"""`POST /tokenize` and `/detokenize`: the model's tokens, without generating any."""

from typing import Any

from flask import Blueprint, current_app

from schemas import wire
from schemas.errors import ApiError, unavailable
from schemas.tokenization import DetokenizeSchema, TokenizeSchema
from webapp import body
from webapp.answers import check_engine
from webapp.auth import caller
from webapp.engine_client import EngineClient
from webapp.reply import Reply

blueprint = Blueprint("tokenization", __name__)

WAIT_SECONDS = 60.0
"""For the longest body on a busy engine."""


@blueprint.post("/tokenize")
def tokenize() -> dict[str, Any]:
    schema: TokenizeSchema = current_app.extensions["tokenize_schema"]
    reply, delta = _ask(body.load(schema))
    (ids,) = reply.prompt_token_ids
    engine: EngineClient = current_app.extensions["engine"]
    return {
        "count": len(ids),
        "max_model_len": engine.require_ready().max_model_len,
        "tokens": ids,
        "token_strs": None if delta.logprobs is None else [token.text for token in delta.logprobs],
    }


@blueprint.post("/detokenize")
def detokenize() -> dict[str, Any]:
    schema: DetokenizeSchema = current_app.extensions["detokenize_schema"]
    generate: wire.Generate = body.load(schema)
    try:
        _, delta = _ask(generate)
    except ApiError as error:
        error.param = "tokens" if error.param == "prompt" else error.param
        raise
    return {"prompt": delta.text}


def _ask(generate: wire.Generate) -> tuple[Reply, wire.Delta]:
    engine: EngineClient = current_app.extensions["engine"]
    check_engine(generate, engine.require_ready())
    generate.name, generate.tenant = "tokenize", caller()
    reply = engine.submit(generate)
    try:
        deltas = reply.deltas(WAIT_SECONDS)
    finally:
        reply.close()
    if not deltas:
        raise unavailable("The engine is too busy.", "engine_busy")
    return reply, deltas[0]
