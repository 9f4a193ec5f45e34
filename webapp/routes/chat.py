"""`POST /v1/chat/completions`, with or without a stored conversation."""

from flask import Blueprint, Response

from schemas.replies.chat import ChatShape
from schemas.replies.shape import Shape
from schemas.requests.generation import Request
from schemas.requests.parts.tools import check_results
from webapp.answering import request_body
from webapp.answering.answer import answer
from webapp.answering.keeping import Keeping
from webapp.jobs.responding import answer_resumable, wants_resumable
from webapp.middleware.auth import caller
from webapp.services import services

blueprint = Blueprint("chat", __name__)


@blueprint.post("/v1/chat/completions")
def create() -> Response:
    request: Request = request_body.load(services().schemas.chat, _check)
    if request.conversation_id is not None:
        return _answer_in_conversation(request, request.conversation_id)
    request = request.with_messages(request.params.messages or [])
    if wants_resumable(request):
        return answer_resumable(request, "chat", None, ChatShape, None)
    return answer(request, ChatShape)


def _check(request: Request) -> None:
    """Match results and calls, where no conversation has earlier ones. Raises `ApiError` (400)."""
    messages = request.params.messages or []
    if request.conversation_id is None:
        check_results(messages, len(messages))


def _answer_in_conversation(request: Request, name: str) -> Response:
    """Answer the request after the stored messages, and store the turn before the client receives the end."""
    conversations, params, scope = services().conversations, request.params, caller()
    given = params.messages or []
    turn = conversations.open(
        scope,
        name,
        given,
        continuing=params.continue_final_message,
        check=lambda opened: check_results(opened.messages, len(given)),
    )

    def keep(reply: Shape) -> str | None:
        return conversations.keep(scope, name, turn, reply.choices[0], echo=params.echo)

    # `with_messages` adds the instruction `force_prompt` to the request alone: it is never stored with the turn.
    request = request.with_messages(turn.messages)
    if wants_resumable(request):
        keeping = Keeping(conversation=name, turn=turn, echo=params.echo)
        return answer_resumable(request, "chat", keeping, ChatShape, keep)
    return answer(request, ChatShape, keep)
