"""`POST /`, the plain API: it receives a prompt and its history, and returns the answer and the new history."""

from functools import partial

from flask import Blueprint, Response

from schemas.replies.plain import PlainShape
from schemas.requests.generation import Request
from schemas.requests.plain import ENGINE_NAMES
from webapp.answering import request_body
from webapp.answering.answer import answer
from webapp.answering.message import renamed
from webapp.services import services

blueprint = Blueprint("plain", __name__)


@blueprint.post("/")
def create() -> Response:
    request: Request = request_body.load(services().schemas.plain)
    texts = [message["content"] for message in request.params.messages or []]
    with renamed(ENGINE_NAMES):
        return answer(request, partial(PlainShape, texts))
