"""The conversation of a request of Anthropic's API, loaded as the messages of a chat."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from marshmallow import ValidationError, fields

from schemas.requests.anthropic.blocks import Said, assistant_said, system_said, user_said
from schemas.requests.parts.arguments import check_values
from schemas.requests.parts.json_types import at
from schemas.requests.parts.messages import MAX_CALLS, MAX_MESSAGES, MAX_PARTS

LOADERS = {"user": user_said, "assistant": assistant_said, "system": system_said}
"""By a turn's role: the function that loads its content."""


class Turns(fields.Field[list[Said]]):
    """The turns of a conversation: at least one, beside an empty one of the assistant at the end."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Said]:
        if not isinstance(value, list):
            raise ValidationError("Expected an array of messages.")
        if len(value) > MAX_MESSAGES:
            raise ValidationError(f"Expected at most {MAX_MESSAGES} messages.")
        said: list[Said] = []
        for number, turn in enumerate(value):
            at(number, partial(_add_turn, said, number), turn)
        if said and said[-1].is_empty_answer:  # clients keep the beginning of an answer that never came
            said.pop()
        if not said:
            raise ValidationError("Expected at least one message.")
        check_values(*(call["function"]["arguments"] for each in said for call in each.calls))
        return said


class SystemPrompt(fields.Field[list[Said]]):
    """A text, or blocks of text."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Said]:
        return system_said(value, "system")


def together(said: Iterable[Said]) -> list[Said]:
    """Return what is said, with what one role says without an interruption as one. Raises `ValidationError`."""
    whole: list[Said] = []
    for each in said:
        _add(whole, each)
    return whole


def _add(said: list[Said], more: Said) -> None:
    """Append `more`, or add it to the last of `said` if both are of one role. Results of tools stay apart.

    Raises `ValidationError` where that exceeds the limits of one message, or of all.
    """
    last = said[-1] if said else None
    if last is None or last.role != more.role or more.role == "tool":
        if len(said) >= MAX_MESSAGES:
            raise ValidationError(f"Expected at most {MAX_MESSAGES} turns and results of tools.")
        said.append(more)
        return
    last.texts += more.texts
    last.thoughts += more.thoughts
    last.calls += more.calls
    if len(last.texts) > MAX_PARTS or len(last.thoughts) > MAX_PARTS or len(last.calls) > MAX_CALLS:
        raise ValidationError(f"Expected at most {MAX_PARTS} texts and {MAX_CALLS} calls in turns of one role.")


def _add_turn(said: list[Said], number: int, turn: Any) -> None:
    """Add a turn of the request. Raises `ValidationError`, whose path is that inside the turn."""
    if not isinstance(turn, dict):
        raise ValidationError("Expected an object.")
    role = turn.get("role")
    load = LOADERS.get(role) if isinstance(role, str) else None
    if load is None:
        raise ValidationError({"role": [f"Expected one of {', '.join(LOADERS)}."]})
    for each in at("content", lambda content: load(content, f"messages[{number}]"), turn.get("content")):
        _add(said, each)
