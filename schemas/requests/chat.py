"""`POST /v1/chat/completions`: the request body."""

from typing import Any

from marshmallow import ValidationError, fields, pre_load, validate, validates_schema

from schemas.requests.generation import GenerationSchema
from schemas.requests.json_types import Bool, Int, Items, Text, optional
from schemas.requests.messages import MessageSchema
from schemas.requests.tools import MAX_TOOLS, JsonObject, ToolChoice, ToolSchema, check_choice

MAX_CONVERSATION_ID = 255
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
RESERVED = (
    "chat_template",
    "tokenize",
    "return_dict",
    "conversation",
    "tools",
    "documents",
    "add_generation_prompt",
    "continue_final_message",
)
"""Arguments of the template's renderer that have a field of their own, or that no client may set."""


class ConversationId(fields.Field[str]):
    """An integer or a string; 42 and "42" are the same conversation."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if type(value) not in (int, str):
            raise ValidationError("Expected an integer or a string.")
        text = str(value)
        if not 1 <= len(text) <= MAX_CONVERSATION_ID or not text.isprintable():
            raise ValidationError(f"Expected 1 to {MAX_CONVERSATION_ID} printable characters.")
        return text


class ChatCompletionSchema(GenerationSchema):
    """A chat completion's body."""

    default_max_tokens = None  # the rest of the context

    messages = fields.List(
        fields.Nested(MessageSchema),
        required=True,
        validate=validate.Length(min=1, error="Expected at least one message."),
        error_messages={"invalid": "Expected an array of messages."},
        metadata={
            "description": "The conversation so far: at least one message. With `conversation_id`, what is new in it."
        },
    )
    max_completion_tokens = optional(
        Int,
        None,
        "The newer name of `max_tokens`; where both are given, this one counts.",
        otherwise="`max_tokens`",
        validate=validate.Range(1, 2**31 - 1),
    )
    logprobs = optional(Bool, False, "Return the log probability of each token.")
    top_logprobs = optional(
        Int,
        None,
        "How many alternatives to return with each token. Allowed with `logprobs`: true only.",
        otherwise="0",
        validate=validate.Range(0, 20),
    )
    tools = optional(
        Items,
        [],
        "Functions that the model may ask the client to call. Not with `use_beam_search`.",
        fields.Nested(ToolSchema),
        validate=validate.Length(max=MAX_TOOLS),
    )
    tool_choice = optional(
        ToolChoice,
        None,
        "Whether the model calls a tool: `none` (it is not told of them), `auto`, `required`, or one that is named: "
        '`{"type": "function", "function": {"name": ...}}`.',
        otherwise="`auto` where there are `tools`",
    )
    parallel_tool_calls = optional(Bool, True, "false: at most one call.")
    reasoning_effort = optional(
        Text,
        None,
        "How long a model that reasons may do so, for chat templates that use it; `none`: not at all.",
        otherwise="the model's own",
        validate=validate.OneOf(EFFORTS, error=f"Expected one of {', '.join(EFFORTS)}."),
    )
    include_reasoning = optional(Bool, True, "Return what a model thought, as `reasoning` beside `content`.")
    chat_template_kwargs = optional(
        JsonObject,
        {},
        "More values for the model's chat template, such as `enable_thinking`. Those that it does not use do nothing.",
    )
    add_generation_prompt = optional(
        Bool,
        None,
        "Let the chat template open the assistant's turn.",
        otherwise="the opposite of `continue_final_message`",
    )
    continue_final_message = optional(
        Bool,
        False,
        "Go on with the last message instead of answering it. Not together with `add_generation_prompt`: true (400).",
    )
    force_prompt = optional(
        Text,
        None,
        "An instruction that the server adds to the system message (or makes one of). It is never echoed, and never "
        "stored with the conversation.",
        otherwise="none",
    )
    conversation_id = optional(
        ConversationId,
        None,
        'The conversation that this is a turn of; 42 and `"42"` are the same one. What was said under this id goes '
        "before `messages`, and what is new, with the first choice, is stored when the reply is complete. A client "
        "that sends the whole history itself is recognised: nothing is doubled. Each API key has its own.",
        otherwise="none: nothing is stored",
    )

    @pre_load
    def _refuse_template(self, data: Any, **kwargs: Any) -> Any:
        """A template is a program, and would run in the engine. Ignoring it would answer another question."""
        if isinstance(data, dict) and data.get("chat_template") is not None:
            raise ValidationError("The model's own template is used; a request cannot bring one.", "chat_template")
        return data

    @validates_schema
    def _check_tools(self, data: dict[str, Any], **kwargs: Any) -> None:
        check_choice(data["tools"] or [], data["tool_choice"])
        if data["use_beam_search"] and data["tools"] and data["tool_choice"] != "none":
            raise ValidationError("Not together with `use_beam_search`.", "tools")

    @validates_schema
    def _check_template_kwargs(self, data: dict[str, Any], **kwargs: Any) -> None:
        for name in RESERVED:
            if name in (data["chat_template_kwargs"] or ()):
                raise ValidationError({"chat_template_kwargs": {name: ["This one is not the client's to set."]}})

    @validates_schema
    def _check_template_flags(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data["continue_final_message"] and data["add_generation_prompt"]:
            raise ValidationError("Not together with `add_generation_prompt`: true.", "continue_final_message")

    @validates_schema
    def _check_logprobs(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data["top_logprobs"] is not None and not data["logprobs"]:
            raise ValidationError("Only allowed with `logprobs`: true.", "top_logprobs")

    def _max_tokens(self, data: dict[str, Any]) -> int | None:
        newer: int | None = data["max_completion_tokens"]
        return super()._max_tokens(data) if newer is None else newer

    def _logprobs(self, data: dict[str, Any]) -> int | None:
        return (data["top_logprobs"] or 0) if data["logprobs"] else None

    def _prompt(self, data: dict[str, Any]) -> dict[str, Any]:
        opens = data["add_generation_prompt"]
        return {
            "messages": data["messages"],
            "tools": data["tools"],
            "tool_choice": data["tool_choice"] or ("auto" if data["tools"] else "none"),
            "parallel_tool_calls": data["parallel_tool_calls"],
            "include_reasoning": data["include_reasoning"],
            "chat_template_kwargs": {**thinking(data["reasoning_effort"]), **data["chat_template_kwargs"]},
            "add_generation_prompt": not data["continue_final_message"] if opens is None else opens,
            "continue_final_message": data["continue_final_message"],
        }

    def _kept_for_later(self, data: dict[str, Any]) -> dict[str, Any]:
        return {"force_prompt": data["force_prompt"], "conversation_id": data["conversation_id"]}


def thinking(effort: str | None) -> dict[str, Any]:
    """What chat templates call it: some know the one name, some the other."""
    return {} if effort is None else {"reasoning_effort": effort, "enable_thinking": effort != "none"}
