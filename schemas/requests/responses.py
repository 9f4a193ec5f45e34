"""`POST /v1/responses`: the request body."""

from dataclasses import dataclass, field
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, post_load, validate, validates_schema

from schemas import wire
from schemas.requests.chat import EFFORTS, ConversationId, Effort, thinking
from schemas.requests.generation import Request, SamplingSchema, nucleus
from schemas.requests.parts import warnings
from schemas.requests.parts.json_types import REST_OF_CONTEXT, Bool, Text, TokenLimit, optional
from schemas.requests.parts.response_items import Input, Item, messages_of
from schemas.requests.parts.structure import FORMATS, NamedSchema, structure_of
from schemas.requests.parts.tools import (
    FunctionSchema,
    JsonObject,
    ToolChoice,
    ToolKind,
    Tools,
    check_choice,
    offered,
)

MAX_METADATA = 16


@dataclass(slots=True)
class ResponseRequest:
    """A valid request of the Responses API."""

    request: Request
    """Its messages are those of `items` alone, without history and `instructions`."""
    items: list[Item]
    store: bool
    previous: str | None
    """`previous_response_id`."""
    conversation: str | None
    """The id of a conversation."""
    instructions: str | None
    echoed: dict[str, Any] = field(default_factory=dict)
    """The request's fields that the reply repeats."""


class FunctionToolSchema(FunctionSchema, ToolKind):
    """A tool in the format of the Responses API: its function's fields are its own."""


class TextFormatSchema(NamedSchema):
    """What the text must match, in the format of the Responses API."""

    type = Text(
        required=True,
        validate=validate.OneOf(FORMATS, error=f"Expected one of {', '.join(FORMATS)}."),
        metadata={"description": "`text`: any text."},
    )

    @validates_schema
    def _need_schema(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data.get("type") == "json_schema" and "schema" not in data:
            raise ValidationError("Expected a JSON Schema.", "schema")


class TextOptionsSchema(Schema):
    class Meta:
        unknown = EXCLUDE

    format = fields.Nested(
        TextFormatSchema, load_default=None, allow_none=True, metadata={"description": "What the text must match."}
    )


class ReasoningSchema(Schema):
    class Meta:
        unknown = EXCLUDE

    effort = optional(
        Effort, None, "`reasoning_effort` of a chat completion.", validate=validate.OneOf(EFFORTS), otherwise="none"
    )


class ConversationOf(ConversationId):
    """A conversation's id, or an object with its `id`; loaded as the id."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        return super()._deserialize(value.get("id") if isinstance(value, dict) else value, attr, data, **kwargs)


class ResponseSchema(SamplingSchema):
    """The body of a request to the Responses API. Loads a `ResponseRequest`."""

    model = optional(Text, "", "Any name is accepted, as for a chat completion.")
    input = Input(
        required=True,
        metadata={"description": "A text, or items: messages, function calls and their outputs, reasoning."},
    )
    instructions = optional(Text, None, "A system message for this response only.", otherwise="none")
    max_output_tokens = optional(
        TokenLimit,
        None,
        "Most tokens of the answer, including the model's reasoning. -1: the rest of the context.",
        otherwise="the rest of the context",
        validate=validate.Range(REST_OF_CONTEXT, 2**31 - 1),
    )
    tools = optional(
        Tools,
        [],
        "Functions that the model may ask the client to call, in the format of either API.",
        FunctionToolSchema,
    )
    tool_choice = optional(
        ToolChoice,
        None,
        'Whether the model calls a tool: `none`, `auto`, `required`, or `{"type": "function", "name": ...}`, or '
        "`allowed_tools`: only some of them. The arguments of a call that is `required` or named match the tool's "
        "schema.",
        otherwise="`auto` where there are `tools`",
    )
    parallel_tool_calls = optional(Bool, True, "false: the model makes at most one call.")
    text = fields.Nested(
        TextOptionsSchema,
        load_default=None,
        allow_none=True,
        metadata={"description": "What the text must match.", "x-default": "any text"},
    )
    reasoning = fields.Nested(
        ReasoningSchema,
        load_default=None,
        allow_none=True,
        metadata={"description": "How much the model reasons.", "x-default": "the model's default"},
    )
    stream = optional(Bool, False, "Send the answer as events of the Responses API while it is generated.")
    store = optional(Bool, True, "Store the response, so that it can be retrieved and continued.")
    previous_response_id = optional(
        Text, None, "The id of a stored response, whose conversation is placed before `input`.", otherwise="none"
    )
    conversation = optional(
        ConversationOf,
        None,
        "`conversation_id` of a chat completion: the id, or an object with the `id`. Cannot be combined with "
        "`previous_response_id`.",
        otherwise="none",
    )
    metadata = optional(JsonObject, {}, "Returned with the response.", validate=validate.Length(max=MAX_METADATA))
    user = optional(Text, "", "Identifies the end user in the server's log, cut to 64 characters.")
    background = optional(Bool, False, "Must be false. Use `stream` instead: a stream survives restarts of the engine.")

    @validates_schema
    def _check(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data["previous_response_id"] is not None and data["conversation"] is not None:
            raise ValidationError("Cannot be combined with `conversation`.", "previous_response_id")
        if data["background"]:
            raise ValidationError("Must be false: background responses are not supported.", "background")
        check_choice(data["tools"] or [], data["tool_choice"])

    @post_load
    def _make_request(self, data: dict[str, Any], **kwargs: Any) -> ResponseRequest:
        self.fill_defaults(data)
        format_ = (data["text"] or {}).get("format")
        tools, choice = offered(data["tools"], data["tool_choice"])
        params = wire.GenerateParams(
            messages=messages_of(data["input"]),
            stream=data["stream"],
            user=data["user"],
            tools=[_nested(tool) for tool in tools],
            tool_choice=choice,
            parallel_tool_calls=data["parallel_tool_calls"],
            chat_template_kwargs=thinking((data["reasoning"] or {}).get("effort")),
            sampling=wire.Sampling(
                temperature=data["temperature"],
                max_tokens=None if data["max_output_tokens"] == REST_OF_CONTEXT else data["max_output_tokens"],
                **nucleus(data),
                structure=_structure(format_),
            ),
        )
        echoed = {name: data[name] for name in ECHOED}
        return ResponseRequest(
            request=Request(params=params, model=data["model"], warnings=warnings.taken()),
            items=data["input"],
            store=data["store"],
            previous=data["previous_response_id"],
            conversation=data["conversation"],
            instructions=data["instructions"],
            echoed={
                **echoed,
                "tool_choice": _flat(data["tool_choice"] or choice),
                "text": data["text"] or {"format": {"type": "text"}},
            },
        )


ECHOED = (
    "instructions",
    "max_output_tokens",
    "metadata",
    "parallel_tool_calls",
    "previous_response_id",
    "reasoning",
    "store",
    "temperature",
    "tools",
    "top_p",
    "user",
)


def _flat(choice: str | dict[str, Any]) -> str | dict[str, Any]:
    """Return a loaded `tool_choice` in the format of the Responses API."""
    if isinstance(choice, str):
        return choice
    if choice["type"] == "allowed_tools":
        allowed = [{"type": "function", "name": name} for name in choice["names"]]
        return {"type": "allowed_tools", "mode": choice["mode"], "tools": allowed}
    return {"type": "function", "name": choice["function"]["name"]}


def _nested(flat: dict[str, Any]) -> dict[str, Any]:
    """Return a tool in the format of chat completions."""
    return {"type": "function", "function": {name: value for name, value in flat.items() if name != "type"}}


def _structure(format_: dict[str, Any] | None) -> wire.Structure | None:
    structure = structure_of(None, format_ and {**format_, "json_schema": format_})
    if structure is not None:
        structure.field = "text.format.schema" if structure.json is not None else "text.format"
    return structure
