"""`POST /v1/chat/completions`."""

from flask import Blueprint, Response, current_app

from webapp import body
from webapp.answers import answer
from webapp.shapes import ChatShape

blueprint = Blueprint("chat", __name__)


@blueprint.post("/v1/chat/completions")
def create() -> Response:
    return answer(body.load(current_app.extensions["chat_schema"]), ChatShape)
