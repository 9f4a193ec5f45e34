"""`POST /v1/completions`: continue one or several prompts."""

from flask import Blueprint, Response

from schemas.replies.completion import CompletionShape
from schemas.requests.generation import Request
from webapp.answering import request_body
from webapp.answering.answer import answer
from webapp.jobs.responding import answer_resumable, wants_resumable
from webapp.services import services

blueprint = Blueprint("completions", __name__)


@blueprint.post("/v1/completions")
def create() -> Response:
    request: Request = request_body.load(services().schemas.completion)
    if wants_resumable(request):
        return answer_resumable(request, "completion", None, CompletionShape, None)
    return answer(request, CompletionShape)
