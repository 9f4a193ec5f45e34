"""`POST /v1/messages`, and `/v1/messages/count_tokens`: the request bodies."""

from dataclasses import dataclass
from typing import Any

from marshmallow import fields, post_load, pre_load, validate, validates_schema

from schemas import wire
from schemas.requests.anthropic.blocks import Said
from schemas.requests.anthropic.options import (
    ClientTools,
    ClientToolSchema,
    MetadataSchema,
    OutputConfigSchema,
    ThinkingSchema,
    ToolChoiceSchema,
    choice_of,
    functions_of,
    shows_reasoning,
    structure_in,
    template_arguments,
    without_unused,
)
from schemas.requests.anthropic.turns import SystemPrompt, Turns, together
from schemas.requests.generation import MAX_STOP_CHARS, MAX_STOPS, MAX_USER_CHARS, Request
from schemas.requests.parts import warnings
from schemas.requests.parts.json_types import REST_OF_CONTEXT, Bool, Items, Text, TokenLimit, at, optional
from schemas.requests.parts.messages import MAX_MESSAGES
from schemas.requests.parts.streaming import resumable_field
from schemas.requests.parts.template import TemplateFields
from schemas.requests.parts.tools import JsonObject, check_choice, check_results, offered
from schemas.requests.sampling import ControlSchema, nucleus
from schemas.requests.vllm_fields import EngineFields

SAME = (
    "temperature",
    "top_k",
    "min_p",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "repetition_penalty",
    "ignore_eos",
    "add_default_stop",
)
"""Fields that the wire's sampling has under the same name."""


@dataclass(slots=True)
class MessagesRequest:
    """A valid request of Anthropic's API."""

    request: Request
    places: list[str]
    """For each message of the chat: the field of the request that it was made of."""
    stops: list[str]
    """`stop_sequences`."""

    def check(self) -> None:
        """Match results of tools and calls. Raises `ApiError` (400), which names the field."""
        messages = self.request.params.messages or []
        check_results(messages, len(messages), self.places.__getitem__)


class _PromptSchema(TemplateFields):
    """The fields of which the prompt is made."""

    model = optional(Text, "", "Any name is accepted, as for a chat completion.")
    messages = Turns(
        required=True,
        metadata={
            "description": "The conversation so far: objects with a `role` (`user`, `assistant` or `system`) and a "
            f"`content`, a text or content blocks; up to {MAX_MESSAGES}, the results of tools included. Blocks are of "
            "type `text`, `tool_use`, `tool_result`, `thinking`, `redacted_thinking`, `search_result`, or `document`, "
            "of plain text; those of tools that Anthropic's servers run are left out, with a `warning`. An "
            "assistant's text that is last is continued."
        },
    )
    system = optional(SystemPrompt, [], "The system prompt: a text, or blocks of text.")
    tools = optional(ClientTools, [], "Tools that the model may ask the client to run.", ClientToolSchema)
    tool_choice = fields.Nested(
        ToolChoiceSchema,
        load_default=None,
        allow_none=True,
        metadata={"description": "Whether the model calls a tool.", "x-default": "`auto` where there are `tools`"},
    )
    thinking = fields.Nested(
        ThinkingSchema,
        load_default=None,
        allow_none=True,
        metadata={"description": "Whether the model reasons.", "x-default": "the model's default"},
    )
    output_config = fields.Nested(
        OutputConfigSchema,
        load_default=None,
        allow_none=True,
        metadata={
            "description": "How much the model reasons, and what its text must match.",
            "x-default": "the model's default, any text",
        },
    )
    cache_control = optional(JsonObject, None, "No effect, here and in blocks: equal beginnings are always cached.")

    @pre_load
    def _drop_unused(self, data: Any, **kwargs: Any) -> Any:
        return without_unused(data)

    @validates_schema
    def _check_tools(self, data: dict[str, Any], **kwargs: Any) -> None:
        check_choice(data["tools"] or [], choice_of(data["tool_choice"]))

    def _prompt(self, data: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        """Return the fields of `wire.GenerateParams` that hold the prompt, and the places of its messages."""
        said: list[Said] = at("messages", together, [*(data["system"] or ()), *data["messages"]])
        tools, choice = offered(functions_of(data["tools"] or []), choice_of(data["tool_choice"]))
        continued = said[-1].role == "assistant" and not said[-1].calls
        prompt = {
            "messages": [each.message() for each in said],
            "tools": tools,
            "tool_choice": choice,
            "chat_template_kwargs": {
                **template_arguments(data["thinking"], data["output_config"]),
                **data["chat_template_kwargs"],
            },
            "add_generation_prompt": not continued,
            "continue_final_message": continued,
        }
        return prompt, [each.place for each in said]


class CountTokensSchema(_PromptSchema):
    """The body of a request that counts the tokens of a prompt. Loads a `MessagesRequest`."""

    @post_load
    def _make_request(self, data: dict[str, Any], **kwargs: Any) -> MessagesRequest:
        self.fill_defaults(data)
        prompt, places = self._prompt(data)
        params = wire.GenerateParams(**prompt)
        return MessagesRequest(Request(params=params, model=data["model"], warnings=warnings.taken()), places, [])


class MessagesSchema(_PromptSchema, ControlSchema, EngineFields):
    """The body of a request for a message. Loads a `MessagesRequest`."""

    max_tokens = TokenLimit(
        required=True,
        validate=validate.Range(REST_OF_CONTEXT, 2**31 - 1),
        metadata={
            "description": "Most tokens of the answer, including the model's reasoning. -1, and more than the context "
            "has room for: the rest of the context."
        },
    )
    stop_sequences = optional(
        Items,
        [],
        "`stop` of a chat completion: texts that end the answer, and are removed from it.",
        Text(validate=validate.Length(1, MAX_STOP_CHARS)),
        scalar=True,
        left_out=("", None),
        validate=validate.Length(max=MAX_STOPS),
    )
    stream = optional(Bool, False, "Send the answer as events of this API while it is generated.")
    resumable = resumable_field()
    metadata = fields.Nested(
        MetadataSchema,
        load_default=None,
        allow_none=True,
        metadata={"description": "What is known of the request.", "x-default": "none"},
    )
    service_tier = optional(Text, "auto", "No effect: every request has the tier `standard`.")

    @post_load
    def _make_request(self, data: dict[str, Any], **kwargs: Any) -> MessagesRequest:
        self.fill_defaults(data)
        prompt, places = self._prompt(data)
        limit, user = data["max_tokens"], (data["metadata"] or {}).get("user_id", "")
        params = wire.GenerateParams(
            **prompt,
            stream=data["stream"],
            user=user[:MAX_USER_CHARS],
            parallel_tool_calls=not (data["tool_choice"] or {}).get("disable_parallel_tool_use", False),
            include_reasoning=shows_reasoning(data["thinking"]),
            cache_salt=data["cache_salt"] or "",
            priority=data["priority"],
            sampling=wire.Sampling(
                **{name: data[name] for name in SAME} | nucleus(data),
                stop_on_repetition=data["enable_repeat_stopper"],
                max_tokens=None if limit == REST_OF_CONTEXT else limit,
                stop=data["stop_sequences"],
                structure=structure_in(data["output_config"]),
            ),
        )
        request = Request(
            params=params,
            model=data["model"],
            warnings=warnings.taken(),
            resumable=data["resumable"] and data["stream"],
        )
        return MessagesRequest(request, places, data["stop_sequences"])
