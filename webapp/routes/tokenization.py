"""`POST /tokenize` and `/detokenize`: convert between text and the model's tokens, without generating."""

from typing import Any

from flask import Blueprint

from schemas.requests.generation import Request
from webapp.answering import request_body
from webapp.answering.counting import tokenised
from webapp.answering.message import renamed
from webapp.services import services

blueprint = Blueprint("tokenization", __name__)


@blueprint.post("/tokenize")
def tokenize() -> dict[str, Any]:
    welcome = services().engine.require_ready()
    request: Request = request_body.load(services().schemas.tokenize)
    accepted, delta = tokenised(request.params)
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
        _, delta = tokenised(request.params)
    return {"prompt": delta.text}
