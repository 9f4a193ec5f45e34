"""Leave out the oldest messages of a conversation that is longer than the model's context."""

from collections.abc import Callable

from msgspec import structs

from schemas import wire
from schemas.requests.parts.item_messages import Message
from webapp.answering.counting import prompt_tokens

SYSTEM = ("system", "developer")


def fit(params: wire.GenerateParams, max_model_len: int) -> list[Message]:
    """Return the messages of `params`, without the oldest of them if the answer would have no room.

    The room is `max_tokens`, or a quarter of the context, but at most half of it. System messages at the beginning
    stay, and so does all from the last message of the user on: what is left out ends before a message of the user.
    """
    messages = params.messages or []
    room = min(params.sampling.max_tokens or max_model_len // 4, max_model_len // 2)
    kept = next((index for index, message in enumerate(messages) if message["role"] not in SYSTEM), len(messages))
    starts = [kept, *(i for i in range(kept + 1, len(messages)) if messages[i]["role"] == "user")]

    def cut(number: int) -> list[Message]:
        return [*messages[:kept], *messages[starts[number] :]]

    def fits(number: int) -> bool:
        return prompt_tokens(structs.replace(params, messages=cut(number))) <= max_model_len - room

    return cut(_first(len(starts), fits))


def _first(count: int, holds: Callable[[int], bool]) -> int:
    """Return the first number below `count` for which `holds`, or the last. It is called about log2(count) times.

    `holds` must hold for all numbers above one for which it holds.
    """
    if holds(0):
        return 0
    low, high = 1, count - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return min(low, count - 1)
