"""What a request of the Responses API asks of the engine: its input, after what is stored."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from schemas.errors import invalid, quoted
from schemas.requests.generation import Request
from schemas.requests.parts.item_messages import grouped, place_of
from schemas.requests.parts.response_items import Item
from schemas.requests.parts.tools import check_results
from schemas.requests.responses import ResponseRequest
from schemas.wire import Welcome
from webapp.answering import request_body
from webapp.answering.fitting import fit
from webapp.conversations.stored_responses import StoredResponse
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
    turn, messages = None, []
    if body.conversation is not None:
        turn = _open(body.conversation, items)
        messages = turn.messages
    elif body.previous is not None:
        messages = services().responses.read(caller(), body.previous, partial(_continued, body.previous, items))
    elif is_long(items):
        messages = request_body.in_thread(_whole, [], items)
    else:
        messages = _whole([], items)
    request = _with_instructions(body, messages)
    if body.truncate:
        request = request.with_messages(fit(request.params, services().engine.require_ready().max_model_len))
    return Asked(request, items, messages, turn)


def standing_alone(body: ResponseRequest) -> Request:
    """Return what to send to the engine for a body that refers to nothing that is stored. Raises `ApiError` (400)."""
    return _with_instructions(body, _whole([], body.items))


def echoed(body: ResponseRequest, welcome: Welcome) -> dict[str, Any]:
    """Return the members of the reply that repeat the request, with the sampling parameters that are really used."""
    defaults = welcome.sampling_defaults
    used = {name: defaults.get(name, 1.0) for name in ("temperature", "top_p") if body.echoed[name] is None}
    return body.echoed | used


def _with_instructions(body: ResponseRequest, messages: list[Message]) -> Request:
    instructions = [{"role": "system", "content": body.instructions}] if body.instructions else []
    return body.request.with_messages([*instructions, *messages])


def is_long(items: list[Item]) -> bool:
    """Return whether it takes a thread to go through all items and their parts: each takes some microseconds."""
    contents = (item.get("content") or item.get("output") for item in items)
    parts = (len(content) for content in contents if isinstance(content, list))
    return len(items) > request_body.MANY or sum(parts) > request_body.MANY


def _open(name: str, items: list[Item]) -> OpenTurn:
    """Return a new turn of the conversation, whose messages are ready to be sent. Raises `ApiError`, as `prepare`."""
    given = request_body.in_thread(_given, items) if is_long(items) else _given(items)

    def make_ready(turn: OpenTurn) -> None:
        turn.messages = _checked(turn.messages, items, len(given))

    return services().conversations.open(caller(), name, given, continuing=False, check=make_ready)


def _continued(response_id: str, items: list[Item], found: StoredResponse | None) -> list[Message]:
    """Return the conversation that ends with the response, and then `items`. Raises `ApiError` (400)."""
    if found is None:
        message = f"Previous response with id {quoted(response_id)} not found."
        raise invalid(message, "previous_response_id", "previous_response_not_found")
    return _whole(found.messages, items)


def _whole(before: list[Message], items: list[Item]) -> list[Message]:
    """Return the messages `before` and those of `items`. Raises `ApiError` (400)."""
    given = _given(items)
    return _checked([*before, *given], items, len(given))


def _given(items: list[Item]) -> list[Message]:
    """Return the messages of `items`, each with those that it is made of."""
    return [{**message, "items": its} for message, its in grouped(items)]


def _checked(whole: list[Message], items: list[Item], given: int) -> list[Message]:
    """Return the messages without their items. The last `given` are made of `items`. Raises `ApiError` (400)."""
    messages = [plain(message) for message in whole]
    if not messages:
        raise invalid("There is nothing to answer.", "input")
    check_results(messages, given, partial(place_of, items))
    return messages
