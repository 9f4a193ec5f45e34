"""Tools that a model may call: their definitions in a request, and the calls and results in its messages."""

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec
from marshmallow import EXCLUDE, ValidationError, fields, pre_load, validate

from schemas.errors import ApiError, invalid, quoted
from schemas.requests.parts.arguments import MAX_DEPTH, is_deep, object_text
from schemas.requests.parts.json_types import Bool, Items, Part, Text
from schemas.requests.parts.warnings import warn

MAX_TOOLS = 128
MAX_JSON_BYTES = 128 * 1024
"""Limit of an object that a request may fill freely, such as the parameters of a tool."""
CHOICES = ("none", "auto", "required")
NAME = validate.Regexp(
    r"[a-zA-Z0-9_.:/-]{1,256}\Z", error="Expected 1 to 256 letters (a to z, A to Z), digits and characters of `_-.:/`."
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
        msgspec.msgpack.encode(value)  # as the wire does, which has no integers of more than 64 bits
    except UnicodeEncodeError:
        raise ValidationError("The text has a lone surrogate, which is not a Unicode character.") from None
    except OverflowError:
        raise ValidationError("Expected integers of at most 64 bits.") from None
    if size > MAX_JSON_BYTES:
        raise ValidationError(f"Expected at most {MAX_JSON_BYTES} bytes of JSON.")
    if is_deep(value):
        raise ValidationError(f"Expected at most {MAX_DEPTH} levels.")


class WithoutNulls(Part):
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
        metadata={
            "description": "Make the arguments match the schema, where the model's tool parser supports it. Those of a "
            "forced call (`tool_choice`) match it always."
        }
    )


class ToolKind(WithoutNulls):
    """The type of a tool."""

    type = Text(
        required=True,
        validate=validate.OneOf(["function"], error="Expected function: this server has no built-in tools."),
        metadata={"description": "The type of the tool. Tools of other types are left out, with a `warning`."},
    )


class ToolSchema(ToolKind):
    """A tool in the format of chat completions."""

    function = fields.Nested(FunctionSchema, required=True, metadata={"description": "The function."})


class Tools(Items):
    """The functions of `tools`, in the format of either API. Tools that this server does not run are left out."""

    own_type = "function"
    """The type of the tools that are not left out; a tool without a type is one of them."""

    def __init__(self, schema: type[WithoutNulls], **kwargs: Any) -> None:
        super().__init__(fields.Nested(schema), validate=validate.Length(max=MAX_TOOLS), **kwargs)
        self._nested = issubclass(schema, ToolSchema)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        loaded: list[Any] = []
        names: set[str] = set()
        for index, tool in enumerate(super().elements(value)):
            if self._is_left_out(tool):
                continue
            try:
                loaded.append(self.inner.deserialize(self._spelled(tool), **kwargs))
            except ValidationError as error:
                raise ValidationError({index: error.messages}) from None
            name = function_of(loaded[-1])["name"]
            if name in names:
                place: Any = {"name": [f"Another tool has the name {quoted(name)}."]}
                raise ValidationError({index: {"function": place} if self._nested else place})
            names.add(name)
        return loaded

    def elements(self, value: Any) -> list[Any]:
        """Return the functions in the format of this API, not loaded yet. Raises `ValidationError` for a name twice."""
        tools = [self._spelled(tool) for tool in super().elements(value) if not self._is_left_out(tool)]
        given = (function_of(tool).get("name") for tool in tools if isinstance(tool, dict))
        names = [name for name in given if isinstance(name, str)]
        if len(set(names)) < len(names):
            raise ValidationError("Two tools have the same name.")
        return tools

    def _is_left_out(self, tool: Any) -> bool:
        kind = tool.get("type") if isinstance(tool, dict) else None
        if not isinstance(kind, str) or kind == self.own_type:
            return False
        warn(f"This server does not run tools of type {quoted(kind)}: they were left out.")
        return True

    def _spelled(self, tool: Any) -> Any:
        """Return `tool` in the format of this API, if it is in that of the other."""
        if not isinstance(tool, dict):
            return tool
        if self._nested and "name" in tool and tool.get("function") is None:
            return {"type": tool.get("type"), "function": tool}
        if not self._nested and isinstance(tool.get("function"), dict):
            return {**tool["function"], "type": tool.get("type")}
        return tool


class ToolChoice(fields.Field[str | dict[str, Any]]):
    """`none`, `auto`, `required`, a function's name, or `allowed_tools`, in the format of either API.

    Loaded as the word, as `{"type": "function", "function": {"name"}}`, or as `{"type": "allowed_tools", "mode",
    "names"}`.
    """

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str | dict[str, Any]:
        kind = value.get("type", "function") if isinstance(value, dict) else value
        if kind == "any":  # Anthropic's and Mistral's word
            kind = "required"
        if isinstance(kind, str) and kind in CHOICES:
            return kind
        if not isinstance(value, dict) or not isinstance(kind, str):
            raise ValidationError(f"Expected {', '.join(CHOICES)}, or an object that names a function.")
        if kind == "allowed_tools":
            return _allowed(value)
        if kind not in ("function", "tool"):
            raise ValidationError(f"This server does not run tools of type {quoted(kind)}: none can be called.")
        name = _name_in(value)
        if name is None:
            raise ValidationError(f"Expected {', '.join(CHOICES)}, or an object that names a function.")
        return {"type": "function", "function": {"name": name}}


def _name_in(value: dict[str, Any]) -> str | None:
    """Return the name of the function that `value` names, in the format of either API. None: it names none."""
    function = value.get("function")
    name = function.get("name") if isinstance(function, dict) else value.get("name")
    return name if isinstance(name, str) else None


def _allowed(value: dict[str, Any]) -> dict[str, Any]:
    given = value.get("allowed_tools", value)
    mode, tools = (given.get("mode", "auto"), given.get("tools")) if isinstance(given, dict) else ("", None)
    if mode not in CHOICES or not isinstance(tools, list) or len(tools) > MAX_TOOLS:
        raise ValidationError(f"Expected a `mode` ({', '.join(CHOICES)}), and `tools`: at most {MAX_TOOLS} tools.")
    names = [_name_in(tool) for tool in tools if isinstance(tool, dict) and tool.get("type", "function") == "function"]
    return {"type": "allowed_tools", "mode": mode, "names": [name for name in names if name is not None]}


def function_of(tool: dict[str, Any]) -> dict[str, Any]:
    """Return the function of a tool, in the format of either API."""
    function = tool.get("function", tool)
    return function if isinstance(function, dict) else {}


class Arguments(fields.Field[str]):
    """A JSON object, loaded as a string. What clients keep of arguments that were none is described in `arguments`."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        return object_text(value)


class CalledFunctionSchema(WithoutNulls):
    """The function of a call, and its arguments."""

    name = Text(required=True, validate=validate.Length(1, 256), metadata={"description": "The function's name."})
    arguments = Arguments(
        load_default="{}",
        metadata={
            "description": 'A JSON object, written as a string. Any other text becomes `{"INVALID_JSON": ...}`, so '
            "that a conversation can go on after a call that was cut off."
        },
    )


class ToolCallSchema(WithoutNulls):
    """One call in an assistant's message."""

    id = Text(
        load_default="call_0",
        metadata={"description": "The id that the message with the result has as `tool_call_id`."},
    )
    type = Text(
        load_default="function",
        validate=validate.OneOf(["function"], error="Expected function."),
        metadata={"description": "The type of the tool."},
    )
    function = fields.Nested(CalledFunctionSchema, required=True, metadata={"description": "The called function."})


def check_choice(tools: list[dict[str, Any]], choice: str | dict[str, Any] | None) -> None:
    """Raise `ValidationError` where `choice` requires a tool that is not in `tools`. Both are loaded."""
    if choice in (None, "none", "auto"):
        return
    if not tools:
        raise ValidationError("Requires `tools`.", "tool_choice")
    if not isinstance(choice, dict):
        return
    names = [function_of(tool)["name"] for tool in tools]
    for name in choice["names"] if choice["type"] == "allowed_tools" else [choice["function"]["name"]]:
        if name not in names:
            raise ValidationError(f"There is no tool named {quoted(name)} in `tools`.", "tool_choice")
    if choice["type"] == "allowed_tools" and choice["mode"] == "required" and not choice["names"]:
        raise ValidationError("Expected a function that is allowed.", "tool_choice")


def offered(
    tools: list[dict[str, Any]], choice: str | dict[str, Any] | None
) -> tuple[list[dict[str, Any]], str | dict[str, Any]]:
    """Return the tools that may be called, and the choice among them: a word, or the name of one."""
    if isinstance(choice, dict) and choice["type"] == "allowed_tools":
        tools = [tool for tool in tools if function_of(tool)["name"] in choice["names"]]
        choice = choice["mode"] if tools else "none"
    return tools, choice or ("auto" if tools else "none")


def check_results(
    messages: list[dict[str, Any]], given: int, place: Callable[[int], str] = "messages[{}].tool_call_id".format
) -> None:
    """Give an id to each message of role `tool` that has none: that of the first call without a result.

    Raises `ApiError` (400) for a result of no call before it. The last `given` messages are the request's own, the
    others are stored ones: `place` returns the request's field for the place of a message among its own.
    """
    calls: set[str] = set()
    unanswered = _Unanswered()
    for index, message in enumerate(messages):
        if message["role"] != "tool":
            for call in message.get("tool_calls", ()):
                unanswered.add(call["id"], call["function"]["name"])
                calls.add(call["id"])
            continue
        if not message.get("tool_call_id"):
            first = unanswered.first(message.get("name"))
            if first is not None:
                message["tool_call_id"] = first
        call_id = message.get("tool_call_id")
        if call_id not in calls:
            own = index - (len(messages) - given)
            raise _no_such_call(call_id, place(own) if own >= 0 else place(0).partition("[")[0])
        unanswered.remove(call_id)


class _Unanswered:
    """The calls that have no result yet, in the order in which they were made. All methods take constant time."""

    def __init__(self) -> None:
        self._made = 0
        self._answered: dict[str, int] = {}
        """By id: how many calls had been made when the id had its last result. Later calls may have the same id."""
        self._all: deque[tuple[int, str]] = deque()
        """The number and the id of each call. Answered calls are removed when they are the first."""
        self._named: dict[str, deque[tuple[int, str]]] = {}
        """The same by the function's name."""

    def add(self, call_id: str, name: str) -> None:
        call = (self._made, call_id)
        self._made += 1
        self._all.append(call)
        self._named.setdefault(name, deque()).append(call)

    def remove(self, call_id: str) -> None:
        self._answered[call_id] = self._made

    def first(self, name: str | None) -> str | None:
        """Return the id of the first call of function `name`, or else of any function. None: all have results."""
        named = self._first_of(self._named[name]) if name in self._named else None
        return self._first_of(self._all) if named is None else named

    def _first_of(self, calls: deque[tuple[int, str]]) -> str | None:
        while calls and calls[0][0] < self._answered.get(calls[0][1], 0):
            calls.popleft()
        return calls[0][1] if calls else None


def _no_such_call(call_id: str | None, field: str) -> ApiError:
    what = "Expected the id of a call" if call_id is None else f"There is no call {quoted(call_id)}"
    return invalid(f"Invalid value for `{field}`: {what} in an assistant's message before it.", field)
