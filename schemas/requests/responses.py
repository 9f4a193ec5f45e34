"""`POST /v1/responses`, and `/v1/responses/input_tokens`: the request body."""

from dataclasses import dataclass, field
from typing import Any

from marshmallow import ValidationError, fields, post_load, pre_load, validate, validates_schema

from schemas import wire
from schemas.requests.chat import ChatCompletionSchema, thinking
from schemas.requests.generation import MAX_USER_CHARS, Request
from schemas.requests.parts import warnings
from schemas.requests.parts.json_types import (
    MAX_ALTERNATIVES,
    REST_OF_CONTEXT,
    Alternatives,
    Bool,
    Int,
    Items,
    Number,
    Text,
    TokenLimit,
    optional,
)
from schemas.requests.parts.older_names import GUIDED
from schemas.requests.parts.response_items import Input, Item
from schemas.requests.parts.streaming import resumable_field
from schemas.requests.parts.structure import structure_of
from schemas.requests.parts.tools import FunctionSchema, ToolChoice, ToolKind, Tools, check_choice, offered
from schemas.requests.response_options import ConversationOf, Metadata, ReasoningSchema, TextOptionsSchema, formatted
from schemas.requests.sampling import SamplingSchema, nucleus

WITH_LOGPROBS = "message.output_text.logprobs"
"""The member of `include` that asks for log probabilities."""


@dataclass(slots=True)
class ResponseRequest:
    """A valid request of the Responses API."""

    request: Request
    """Without messages: those of `items` are known when the references in `items` are resolved."""
    items: list[Item]
    """The input. References to stored items stand in it as the client sent them."""
    store: bool
    background: bool
    """Whether it is answered though nobody waits."""
    previous: str | None
    """`previous_response_id`."""
    conversation: str | None
    """The id of a conversation."""
    instructions: str | None
    truncate: bool
    """Whether the oldest messages are left out where the prompt is too long."""
    echoed: dict[str, Any] = field(default_factory=dict)
    """The request's fields that the reply repeats."""


class FunctionToolSchema(FunctionSchema, ToolKind):
    """A tool in the format of the Responses API: its function's fields are its own."""


class ResponseSchema(SamplingSchema):
    """The body of a request to the Responses API. Loads a `ResponseRequest`."""

    model = optional(Text, "", "Any name is accepted, as for a chat completion.")
    input = optional(
        Input,
        [],
        "A text, or items: messages, function calls and their outputs, reasoning, and references to stored items "
        '(`{"type": "item_reference", "id": ...}`).',
        otherwise="none: what is stored is answered",
    )
    instructions = optional(Text, None, "A system message for this response only.", otherwise="none")
    max_output_tokens = optional(
        TokenLimit,
        None,
        "Most tokens of the answer, including the model's reasoning. -1: the rest of the context.",
        otherwise="the rest of the context",
        validate=validate.Range(REST_OF_CONTEXT, 2**31 - 1),
    )
    presence_penalty = optional(Number, 0.0, "`presence_penalty` of a chat completion.", validate=validate.Range(-2, 2))
    frequency_penalty = optional(
        Number, 0.0, "`frequency_penalty` of a chat completion.", validate=validate.Range(-2, 2)
    )
    top_logprobs = optional(
        Alternatives,
        0,
        f"How many alternatives to return for each token; -1: {MAX_ALTERNATIVES}. Above 0, or with "
        f"`{WITH_LOGPROBS}` in `include`, the text has the log probability of each token.",
        validate=validate.Range(0, MAX_ALTERNATIVES),
    )
    include = optional(
        Items,
        [],
        f"`{WITH_LOGPROBS}` returns log probabilities. Other values have no effect: what they name is returned in any "
        "case, or belongs to tools that this server does not run.",
        Text(),
        left_out=(None,),
        validate=validate.Length(max=64),
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
    max_tool_calls = optional(
        Int,
        None,
        "Returned with the response. It limits the calls of tools that run in a server, and this server runs none.",
        otherwise="none",
        validate=validate.Range(1, 2**31 - 1),
    )
    text = fields.Nested(
        TextOptionsSchema,
        load_default=None,
        allow_none=True,
        metadata={"description": "What the text must match, and how long it is.", "x-default": "any text"},
    )
    reasoning = fields.Nested(
        ReasoningSchema,
        load_default=None,
        allow_none=True,
        metadata={"description": "How much the model reasons.", "x-default": "the model's default"},
    )
    truncation = optional(
        Text,
        "disabled",
        "`auto`: leave out the oldest messages, but no system message, where the prompt leaves no room for "
        "`max_output_tokens` (by default a quarter of the context). `disabled`: a prompt that is too long is a 400.",
        validate=validate.OneOf(("auto", "disabled"), error="Expected auto or disabled."),
    )
    stream = optional(Bool, False, "Send the answer as events of the Responses API while it is generated.")
    store = optional(Bool, True, "Store the response, so that it can be retrieved and continued.")
    previous_response_id = optional(
        Text, None, "The id of a stored response, whose conversation is placed before `input`.", otherwise="none"
    )
    conversation = optional(
        ConversationOf,
        None,
        "The id of a stored conversation, or an object with the `id`: `conversation_id` of a chat completion. Cannot "
        "be combined with `previous_response_id`.",
        otherwise="none",
    )
    metadata = optional(Metadata, {}, "Returned with the response: up to 16 texts by name.")
    user = optional(Text, None, "Identifies the end user in the server's log, cut to 64 characters.", otherwise="none")
    safety_identifier = optional(Text, None, "OpenAI's newer name of `user`.", otherwise="none")
    prompt_cache_key = optional(
        Text, None, "Returned with the response; no other effect: equal beginnings are always cached.", otherwise="none"
    )
    service_tier = optional(Text, "default", "No effect: every request has the tier `default`.")
    resumable = resumable_field()
    background = optional(
        Bool,
        False,
        "Answer without the client: the reply comes at once, with the status `queued`, and `GET /v1/responses/{id}` "
        "has the answer. Requires `store`.",
    )

    @pre_load
    def _refuse_prompt(self, data: Any, **kwargs: Any) -> Any:
        """Refuse `prompt`, which names a template that OpenAI stores. If ignored, the prompt would be another."""
        if isinstance(data, dict) and data.get("prompt") is not None:
            raise ValidationError("Not supported: this server stores no prompt templates.", "prompt")
        return data

    @pre_load
    def _warn_of_others(self, data: Any, **kwargs: Any) -> Any:
        """Warn of fields that chat completions have: a client that sends `stop` here expects an effect."""
        others = [name for name in _OTHERS if data.get(name) is not None] if isinstance(data, dict) else []
        if others:
            named = ", ".join(f"`{name}`" for name in others)
            warnings.warn(f"The Responses API has no such fields, and they have no effect: {named}.")
        return data

    @validates_schema
    def _check(self, data: dict[str, Any], **kwargs: Any) -> None:
        continued = data["previous_response_id"] or data["conversation"]  # some clients send an empty id for none
        if data["previous_response_id"] and data["conversation"] is not None:
            raise ValidationError("Cannot be combined with `conversation`.", "previous_response_id")
        if not data["input"] and not continued:
            raise ValidationError("Expected a string or an array of items: there is nothing to answer.", "input")
        if data["background"] and data["store"] is False:
            raise ValidationError("Requires `store`: true.", "background")
        check_choice(data["tools"] or [], data["tool_choice"])

    @post_load
    def _make_request(self, data: dict[str, Any], **kwargs: Any) -> ResponseRequest:
        self.fill_defaults(data)
        data["previous_response_id"] = data["previous_response_id"] or None
        if data["max_output_tokens"] == REST_OF_CONTEXT:
            data["max_output_tokens"] = None
        logprobs = bool(data["top_logprobs"]) or WITH_LOGPROBS in data["include"]
        return ResponseRequest(
            request=Request(
                params=_params(data, logprobs),
                model=data["model"],
                logprobs=logprobs,
                resumable=data["resumable"] and data["stream"],
                warnings=warnings.taken(),
            ),
            items=data["input"],
            store=data["store"],
            background=data["background"],
            previous=data["previous_response_id"],
            conversation=data["conversation"],
            instructions=data["instructions"],
            truncate=data["truncation"] == "auto",
            echoed=_echoed(data),
        )


_OTHERS = sorted(
    {*ChatCompletionSchema._declared_fields, *GUIDED, "functions", "function_call"}
    - {*ResponseSchema._declared_fields, "stream_options"}
)
"""Fields of chat completions that responses do not have. They have a `stream_options` of their own."""


def _params(data: dict[str, Any], logprobs: bool) -> wire.GenerateParams:
    tools, choice = offered(data["tools"], data["tool_choice"])
    text = data["text"] or {}
    verbosity = {"verbosity": text["verbosity"]} if text.get("verbosity") else {}
    return wire.GenerateParams(
        messages=[],
        stream=data["stream"],
        user=(data["user"] or data["safety_identifier"] or "")[:MAX_USER_CHARS],
        tools=[_nested(tool) for tool in tools],
        tool_choice=choice,
        parallel_tool_calls=data["parallel_tool_calls"],
        chat_template_kwargs={**thinking((data["reasoning"] or {}).get("effort")), **verbosity},
        sampling=wire.Sampling(
            temperature=data["temperature"],
            **nucleus(data),
            presence_penalty=data["presence_penalty"],
            frequency_penalty=data["frequency_penalty"],
            max_tokens=data["max_output_tokens"],
            logprobs=data["top_logprobs"] if logprobs else None,
            structure=_structure(text.get("format")),
        ),
    )


SAME = (
    "background",
    "frequency_penalty",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "parallel_tool_calls",
    "presence_penalty",
    "previous_response_id",
    "prompt_cache_key",
    "safety_identifier",
    "store",
    "temperature",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
)
"""The fields that a reply repeats as they are."""


def _echoed(data: dict[str, Any]) -> dict[str, Any]:
    """Return the members of a response that repeat its request, each with what OpenAI's document requires of it."""
    reasoning = data["reasoning"] or {}
    return {
        **{name: data[name] for name in SAME},
        "reasoning": {name: reasoning.get(name) for name in ("effort", "summary")},
        "service_tier": "default",
        "text": formatted(data["text"]),
        "tool_choice": _flat(data["tool_choice"] or ("auto" if data["tools"] else "none")),
        "tools": [{"description": None, "parameters": None, "strict": False, **tool} for tool in data["tools"]],
    }


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
