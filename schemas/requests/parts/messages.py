"""The messages of a chat."""

from typing import Any

from marshmallow import ValidationError, fields, pre_load, validate, validates_schema

from schemas.errors import quoted
from schemas.requests.parts.arguments import check_values
from schemas.requests.parts.json_types import Items, Text
from schemas.requests.parts.kept_messages import as_sent_today
from schemas.requests.parts.tools import ToolCallSchema, WithoutNulls

MAX_MESSAGES = 10_000
MAX_PARTS = 10_000
MAX_CALLS = 1024
"""Tool calls of one message."""
ROLES = ("system", "developer", "user", "assistant", "tool")
TEXT_PARTS = ("text", "input_text", "output_text")
"""Types of a part that is text: this API's, and those of the Responses API."""


class Content(fields.Field[Any]):
    """A string, or a list of text parts, `{"type": "text", "text": ...}`, and strings, which vLLM takes for parts."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, str):
            return value
        if not isinstance(value, list) or not value:
            raise ValidationError("Expected a string or an array of text parts.")
        if len(value) > MAX_PARTS:
            raise ValidationError(f"Expected at most {MAX_PARTS} parts.")
        return [self._part(index, part) for index, part in enumerate(value)]

    @staticmethod
    def _part(index: int, part: Any) -> dict[str, str]:
        if isinstance(part, str):
            return {"type": "text", "text": part}
        if not isinstance(part, dict):
            raise ValidationError({index: ["Expected an object."]})
        kind = part.get("type")
        if kind not in (*TEXT_PARTS, "refusal"):
            raise ValidationError({index: {"type": [f"This server accepts text only, not {quoted(kind)}."]}})
        name = "refusal" if kind == "refusal" else "text"
        if not isinstance(part.get(name), str):
            raise ValidationError({index: {name: ["Expected a string."]}})
        return {"type": "text", "text": part[name]}


class MessageSchema(WithoutNulls):
    """One message of a chat, as OpenAI defines it, with vLLM's `reasoning`. Older forms are taken too."""

    role = Text(
        required=True,
        validate=validate.OneOf(ROLES, error="Expected one of system, developer, user, assistant, tool."),
        metadata={"description": "The role of the message's author."},
    )
    content = Content(
        load_default=None,
        allow_none=True,
        metadata={
            "description": 'Text, or an array of text parts (`{"type": "text", "text": ...}`); null: an empty text. '
            "Absent only in an assistant's or a tool's message. A tool's may be any JSON, which becomes its text.",
        },
    )
    reasoning = Text(
        metadata={
            "description": "The assistant's reasoning before its answer, as returned in a reply. `reasoning_content` "
            "is the same."
        }
    )
    name = Text(metadata={"description": "The author's name, for chat templates that use it."})
    tool_calls = Items(
        fields.Nested(ToolCallSchema),
        validate=validate.Length(max=MAX_CALLS),
        metadata={"description": "The tools that an assistant called."},
    )
    tool_call_id = Text(
        metadata={
            "description": "In a message of role `tool`: the id of the call that it answers; absent: the first call "
            "without a result."
        }
    )

    @pre_load
    def _drop_nulls(self, data: Any, **kwargs: Any) -> Any:
        if isinstance(data, dict) and data.get("content", []) is None:
            data = {**data, "content": []}
        data = super()._drop_nulls(data, **kwargs)
        return as_sent_today(data) if isinstance(data, dict) else data

    @validates_schema
    def _need_content(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data["content"] is None and not (data.get("role") == "assistant" and data.get("tool_calls")):
            raise ValidationError("Expected a string or an array of text parts.", "content")


def _check_arguments(messages: list[dict[str, Any]]) -> None:
    calls = (call for message in messages for call in message.get("tool_calls", ()))
    check_values(*(call["function"]["arguments"] for call in calls))


def messages_field(description: str, *, default: str | None = None, **kwargs: Any) -> Items:
    """Return the field of a conversation. `default` is for the documentation, `kwargs` are those of marshmallow."""
    return Items(
        fields.Nested(MessageSchema),
        validate=[
            validate.Length(min=1, error="Expected at least one message."),
            validate.Length(max=MAX_MESSAGES, error=f"Expected at most {MAX_MESSAGES} messages."),
            _check_arguments,
        ],
        error_messages={"invalid": "Expected an array of messages."},
        metadata={"description": description} | ({} if default is None else {"x-default": default}),
        **kwargs,
    )


def enforce(messages: list[dict[str, Any]], instruction: str | None) -> list[dict[str, Any]]:
    """Return `messages` with `instruction` at the end of the system message, or as the system message if there is none.

    The given list is not changed. An empty or absent instruction adds nothing.
    """
    if not instruction:
        return messages
    first = messages[0]
    if first["role"] not in ("system", "developer"):
        return [{"role": "system", "content": instruction}, *messages]
    content = first["content"]
    if isinstance(content, str):
        content = f"{content}\n{instruction}"
    else:
        content = [*content, {"type": "text", "text": instruction}]
    return [{**first, "content": content}, *messages[1:]]
