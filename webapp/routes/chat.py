"""`POST /v1/chat/completions`."""

from flask import Blueprint, Response, current_app

from schemas.chat import enforce
from schemas.fields import Request
from schemas.replies import ChatShape
from webapp import body
from webapp.answers import answer
from webapp.auth import caller
from webapp.conversations import Conversations

blueprint = Blueprint("chat", __name__)


@blueprint.post("/v1/chat/completions")
def create() -> Response:
    wanted: Request = body.load(current_app.extensions["chat_schema"])
    if wanted.conversation_id is not None:
        return _answer_in_conversation(wanted, wanted.conversation_id)
    wanted.generate.messages = enforce(wanted.generate.messages or [], wanted.force_prompt)
    return answer(wanted, ChatShape)


def _answer_in_conversation(wanted: Request, name: str) -> Response:
    """What is stored goes before the request's messages; the turn is stored before the client sees its end."""
    conversations: Conversations = current_app.extensions["conversations"]
    generate, scope = wanted.generate, caller()
    turn = conversations.open(scope, name, generate.messages or [], continuing=generate.continue_final_message)
    generate.messages = enforce(turn.messages, wanted.force_prompt)  # not part of the turn: never stored

    def keep(text: str) -> str | None:
        return conversations.keep(scope, name, turn, text, echo=generate.echo)

    return answer(wanted, ChatShape, keep)
