"""Tools that a model may call: their definitions in a request, and the calls and results in its messages."""

from typing import Any

import msgspec
from marshmallow import EXCLUDE, Schema, ValidationError, fields, pre_load, validate

from schemas.errors import ApiError, invalid, quoted
from schemas.requests.parts.json_types import Bool, Text

MAX_TOOLS = 128
MAX_JSON_BYTES, MAX_JSON_DEPTH = 128 * 1024, 64
"""Limits of an object that a request may fill freely, such as the parameters of a tool."""
CHOICES = ("none", "auto", "required")
NAME = validate.Regexp(
    r"[a-zA-Z0-9_-]{1,64}\Z", error="Expected 1 to 64 letters (a to z, A to Z), digits, underscores and dashes."
)


class JsonObject(fields.Field[dict[str, Any]]):
    """Any JSON object."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValidationError("Expected an object.")
        check_json(value)
        return value


def check_json(value: Any) -> None:
    """Raise `ValidationError` if free JSON is larger, or nested more deeply, than templates and parsers should get."""
    try:
        size = len(msgspec.json.encode(value))
    except UnicodeEncodeError:
        raise ValidationError("The text has a lone surrogate, which is not a Unicode character.") from None
    if size > MAX_JSON_BYTES:
        raise ValidationError(f"Expected at most {MAX_JSON_BYTES} bytes of JSON.")
    level = [value]
    for _ in range(MAX_JSON_DEPTH):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return
    raise ValidationError(f"Expected at most {MAX_JSON_DEPTH} levels.")


class WithoutNulls(Schema):
    """Drops null fields: clients send them back from the SDK's `model_dump()`, and chat templates fail on them."""

    class Meta:
        unknown = EXCLUDE

    @pre_load
    def _drop_nulls(self, data: Any, **kwargs: Any) -> Any:
        return {name: value for name, value in data.items() if value is not None} if isinstance(data, dict) else data


class FunctionSchema(WithoutNulls):
    """A function that the model may call."""

    name = Text(required=True, validate=NAME, metadata={"description": "The function's name."})
    description = Text(metadata={"description": "What the function does and when to call it, for the model."})
    parameters = JsonObject(metadata={"description": "A JSON Schema of the arguments, which are an object."})
    strict = Bool(
        metadata={"description": "Make the arguments match the schema, where the model's tool parser supports it."}
    )


class ToolKind(WithoutNulls):
    """The type of a tool."""

    type = Text(
        required=True,
        validate=validate.OneOf(["function"], error="Expected function: this server has no built-in tools."),
        metadata={"description": "The type of the tool."},
    )


class ToolSchema(ToolKind):
    """A tool in the format of chat completions."""

    function = fields.Nested(FunctionSchema, required=True, metadata={"description": "The function."})


class ToolChoice(fields.Field[str | dict[str, Any]]):
    """`none`, `auto`, `required`, or `{"type": "function", "function": {"name": ...}}`."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str | dict[str, Any]:
        if isinstance(value, str) and value in CHOICES:
            return value
        function = value.get("function") if isinstance(value, dict) and value.get("type") == "function" else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise ValidationError(f"Expected {', '.join(CHOICES)}, or an object that names a function.")
        return {"type": "function", "function": {"name": function["name"]}}


class Arguments(Text):
    """A JSON object written as a string. An empty string, which some clients send, counts as `{}`."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs) or "{}"
        try:
            arguments = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise ValidationError(f"Expected a JSON object, written as a string: {error}") from None
        if not isinstance(arguments, dict):
            raise ValidationError("Expected a JSON object, written as a string.")
        return text


class CalledFunctionSchema(WithoutNulls):
    """The function of a call, and its arguments."""

    name = Text(required=True, validate=validate.Length(1, 256), metadata={"description": "The function's name."})
    arguments = Arguments(required=True, metadata={"description": "A JSON object, written as a string."})


class ToolCallSchema(WithoutNulls):
    """One call in an assistant's message."""

    id = Text(required=True, metadata={"description": "The id that the message with the result has as `tool_call_id`."})
    type = Text(
        load_default="function",
        validate=validate.OneOf(["function"], error="Expected function."),
        metadata={"description": "The type of the tool."},
    )
    function = fields.Nested(CalledFunctionSchema, required=True, metadata={"description": "The called function."})


def check_choice(tools: list[dict[str, Any]], choice: str | dict[str, Any] | None) -> None:
    """Raise `ValidationError` where two tools have the same name, or `choice` requires a tool that is missing."""
    names = [tool["function"]["name"] for tool in tools]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise ValidationError(
                {"tools": {index: {"function": {"name": [f"Another tool has the name {quoted(name)}."]}}}}
            )
    if choice in (None, "none", "auto"):
        return
    if not tools:
        raise ValidationError("Requires `tools`.", "tool_choice")
    if isinstance(choice, dict) and choice["function"]["name"] not in names:
        raise ValidationError(f"There is no tool named {quoted(choice['function']['name'])} in `tools`.", "tool_choice")


def check_results(messages: list[dict[str, Any]], given: int) -> None:
    """Raise `ApiError` (400) where a message of role `tool` answers no call of the assistant's message before it.

    The last `given` messages are the request's own, the others are stored ones: the error names the request's field.
    """
    calls: set[str] = set()
    for index, message in enumerate(messages):
        if message["role"] != "tool":
            calls = {call["id"] for call in message.get("tool_calls", ())}
        elif message.get("tool_call_id") not in calls:
            own = index - (len(messages) - given)
            field = f"messages[{own}].tool_call_id" if own >= 0 else "messages"
            raise _no_such_call(message.get("tool_call_id"), field)


def _no_such_call(call_id: str | None, field: str) -> ApiError:
    what = "Expected the id of a call" if call_id is None else f"There is no call {quoted(call_id)}"
    return invalid(f"Invalid value for `{field}`: {what} in the assistant's message before it.", field)
