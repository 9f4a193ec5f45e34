"""What a request of the Responses API asks of the engine: its input, after what is stored."""

from dataclasses import dataclass
from functools import partial

from schemas.errors import invalid, quoted
from schemas.requests.generation import Request
from schemas.requests.parts.item_messages import grouped, place_of
from schemas.requests.parts.response_items import Item
from schemas.requests.parts.tools import check_results
from schemas.requests.responses import ResponseRequest
from webapp.answering.fitting import fit
from webapp.conversations.turns import Message, OpenTurn, plain
from webapp.middleware.auth import caller
from webapp.services import services


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that is ready to be sent."""

    request: Request
    items: list[Item]
    """The input, with the stored items in place of references."""
    messages: list[Message]
    """The whole conversation, without `instructions`."""
    turn: OpenTurn | None
    """The turn of the conversation that the request names. None: it names none."""


def prepare(body: ResponseRequest) -> Asked:
    """Return what to send to the engine.

    Raises `ApiError`: 400, 404 for an unknown item, 503 where the engine or the database fails.
    """
    items = services().responses.resolve(caller(), body.items)
    given = [{**message, "items": its} for message, its in grouped(items)]
    if body.conversation is None:
        turn, whole = None, [*_previous(body.previous), *given]
    else:
        turn = services().conversations.open(caller(), body.conversation, given, continuing=False)
        whole = turn.messages
    messages = [plain(message) for message in whole]
    if not messages:
        raise invalid("There is nothing to answer.", "input")
    check_results(messages, len(given), partial(place_of, items))
    instructions = [{"role": "system", "content": body.instructions}] if body.instructions else []
    request = body.request.with_messages([*instructions, *messages])
    if body.truncate:
        request = request.with_messages(fit(request.params, services().engine.require_ready().max_model_len))
    return Asked(request, items, messages, turn)


def _previous(response_id: str | None) -> list[Message]:
    """Return the conversation that ends with the response. Raises `ApiError` (400) if it is not stored."""
    if response_id is None:
        return []
    found = services().responses.find(caller(), response_id)
    if found is None:
        message = f"Previous response with id {quoted(response_id)} not found."
        raise invalid(message, "previous_response_id", "previous_response_not_found")
    return found.messages
