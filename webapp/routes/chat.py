"""`POST /v1/chat/completions`."""

from flask import Blueprint, Response, current_app

from schemas.chat import enforce
from schemas.fields import Request
from webapp import body
from webapp.answers import answer
from schemas.replies import ChatShape

blueprint = Blueprint("chat", __name__)


@blueprint.post("/v1/chat/completions")
def create() -> Response:
    wanted: Request = body.load(current_app.extensions["chat_schema"])
    messages = wanted.generate.messages or []
    wanted.generate.messages = enforce(messages, wanted.force_prompt)
    return answer(wanted, ChatShape)
