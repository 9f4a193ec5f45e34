"""`POST /tokenize` and `/detokenize`: convert between text and the model's tokens, without generating."""

from typing import Any

from flask import Blueprint, Response

from schemas.replies.shape import encode_json
from schemas.requests.generation import Request
from webapp.answering import request_body
from webapp.answering.counting import tokenised
from webapp.answering.message import renamed
from webapp.services import services

blueprint = Blueprint("tokenization", __name__)


@blueprint.post("/tokenize")
def tokenize() -> Response:
    welcome = services().engine.require_ready()
    request: Request = request_body.load(services().schemas.tokenize)
    accepted, delta = tokenised(request.params)
    (ids,) = accepted.prompt_token_ids
    body: dict[str, Any] = {
        "count": len(ids),
        "max_model_len": welcome.max_model_len,
        "tokens": ids,
        "token_strs": None if delta.logprobs is None else [token.text for token in delta.logprobs],
    }
    if request.warnings:
        body["warning"] = " ".join(request.warnings)
    return Response(encode_json(body), content_type="application/json")  # Flask's own JSON takes ten times as long


@blueprint.post("/detokenize")
def detokenize() -> dict[str, Any]:
    services().engine.require_ready()
    with renamed({"prompt": "tokens"}):
        request: Request = request_body.load(services().schemas.detokenize)
        _, delta = tokenised(request.params)
    return {"prompt": delta.text}
