"""`POST /v1/completions`: continue one or several prompts."""

from flask import Blueprint, Response

from schemas.replies.completion import CompletionShape
from webapp.answering import request_body
from webapp.answering.answer import answer
from webapp.services import services

blueprint = Blueprint("completions", __name__)


@blueprint.post("/v1/completions")
def create() -> Response:
    return answer(request_body.load(services().schemas.completion), CompletionShape)
