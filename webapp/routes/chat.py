"""`POST /v1/chat/completions`."""

from flask import Blueprint, Response

from schemas.replies.chat import ChatShape
from schemas.replies.shape import Shape
from schemas.requests.generation import Request
from schemas.requests.tools import check_results
from webapp.answering import request_body
from webapp.answering.answer import answer
from webapp.middleware.auth import caller
from webapp.services import services

blueprint = Blueprint("chat", __name__)


@blueprint.post("/v1/chat/completions")
def create() -> Response:
    wanted: Request = request_body.load(services().schemas.chat)
    if wanted.conversation_id is not None:
        return _answer_in_conversation(wanted, wanted.conversation_id)
    messages = wanted.params.messages or []
    check_results(messages, len(messages))
    return answer(wanted.with_messages(messages), ChatShape)


def _answer_in_conversation(wanted: Request, name: str) -> Response:
    """What is stored goes before the request's messages; the turn is stored before the client sees its end."""
    conversations, params, scope = services().conversations, wanted.params, caller()
    turn = conversations.open(scope, name, params.messages or [], continuing=params.continue_final_message)
    check_results(turn.messages, len(params.messages or ()))

    def keep(reply: Shape) -> str | None:
        return conversations.keep(scope, name, turn, reply.choices[0], echo=params.echo)

    # The turn itself stays without the enforced instruction, which is never stored.
    return answer(wanted.with_messages(turn.messages), ChatShape, keep)
