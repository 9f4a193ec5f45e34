"""`POST /v1/completions`."""

from flask import Blueprint, Response, current_app

from schemas.replies.completion import CompletionShape
from webapp.answering import request_body
from webapp.answering.answer import answer

blueprint = Blueprint("completions", __name__)


@blueprint.post("/v1/completions")
def create() -> Response:
    return answer(request_body.load(current_app.extensions["completion_schema"]), CompletionShape)
