"""`POST /v1/chat/completions`."""

from flask import Blueprint, Response, current_app

from schemas.replies.chat import ChatShape
from schemas.replies.shape import Shape
from schemas.requests.generation import Request
from schemas.requests.messages import enforce
from schemas.requests.tools import check_results
from webapp.answering import request_body
from webapp.answering.answer import answer
from webapp.conversations.conversations import Conversations
from webapp.middleware.auth import caller

blueprint = Blueprint("chat", __name__)


@blueprint.post("/v1/chat/completions")
def create() -> Response:
    wanted: Request = request_body.load(current_app.extensions["chat_schema"])
    if wanted.conversation_id is not None:
        return _answer_in_conversation(wanted, wanted.conversation_id)
    messages = wanted.generate.messages or []
    check_results(messages, len(messages))
    wanted.generate.messages = enforce(messages, wanted.force_prompt)
    return answer(wanted, ChatShape)


def _answer_in_conversation(wanted: Request, name: str) -> Response:
    """What is stored goes before the request's messages; the turn is stored before the client sees its end."""
    conversations: Conversations = current_app.extensions["conversations"]
    generate, scope = wanted.generate, caller()
    turn = conversations.open(scope, name, generate.messages or [], continuing=generate.continue_final_message)
    check_results(turn.messages, len(generate.messages or ()))
    generate.messages = enforce(turn.messages, wanted.force_prompt)  # not part of the turn: never stored

    def keep(reply: Shape) -> str | None:
        return conversations.keep(scope, name, turn, reply.choices[0], echo=generate.echo)

    return answer(wanted, ChatShape, keep)
