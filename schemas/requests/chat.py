"""`POST /v1/chat/completions`: the request body."""

from typing import Any

from marshmallow import ValidationError, fields, pre_load, validate, validates_schema

from schemas.requests.generation import GenerationSchema
from schemas.requests.parts.json_types import (
    MAX_ALTERNATIVES,
    REST_OF_CONTEXT,
    Alternatives,
    Bool,
    Text,
    TokenLimit,
    optional,
)
from schemas.requests.parts.messages import messages_field
from schemas.requests.parts.older_names import rename_functions
from schemas.requests.parts.template import TemplateFields
from schemas.requests.parts.tools import ToolChoice, Tools, ToolSchema, check_choice, offered

MAX_CONVERSATION_ID = 255
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


class ConversationId(fields.Field[str]):
    """A conversation's id, an integer or a string, loaded as a string: 42 and "42" are the same conversation."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if type(value) is float and value.is_integer():
            value = int(value)
        if type(value) not in (int, str):
            raise ValidationError("Expected an integer or a string.")
        text = str(value)
        if not 1 <= len(text) <= MAX_CONVERSATION_ID or not text.isprintable():
            raise ValidationError(f"Expected 1 to {MAX_CONVERSATION_ID} printable characters.")
        return text


class KnownEffort(validate.OneOf):
    """One of `EFFORTS`, or None."""

    def __init__(self) -> None:
        super().__init__(EFFORTS, error=f"Expected one of {', '.join(EFFORTS)}.")

    def __call__(self, value: Any) -> Any:
        return None if value is None else super().__call__(value)


class Effort(Text):
    """One of `EFFORTS`. Some clients write "default", or nothing, for the model's own."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return None if value in ("", "default") else super()._deserialize(value, attr, data, **kwargs)


class ChatCompletionSchema(TemplateFields, GenerationSchema):
    """The body of a chat completion. Loads a `Request`."""

    default_max_tokens = None  # the rest of the context

    messages = messages_field(
        "The conversation so far: at least one message. With `conversation_id`: its new messages.", required=True
    )
    max_completion_tokens = optional(
        TokenLimit,
        None,
        "The newer name of `max_tokens`, which it overrides.",
        otherwise="`max_tokens`",
        validate=validate.Range(REST_OF_CONTEXT, 2**31 - 1),
    )
    logprobs = optional(Bool, False, "Return the log probability of each token.")
    top_logprobs = optional(
        Alternatives,
        None,
        "How many alternatives to return for each token; -1: 20. More than 0 requires `logprobs`: true.",
        otherwise="0",
        validate=validate.Range(0, MAX_ALTERNATIVES),
    )
    tools = optional(
        Tools,
        [],
        "Functions that the model may ask the client to call, in the format of either API. Cannot be combined with "
        "`use_beam_search`.",
        ToolSchema,
    )
    tool_choice = optional(
        ToolChoice,
        None,
        "Whether the model calls a tool: `none` (the prompt does not mention the tools), `auto`, `required`, or a "
        'named one: `{"type": "function", "function": {"name": ...}}`; or `allowed_tools`: only some of them. The '
        "arguments of a call that is `required` or named match the tool's schema.",
        otherwise="`auto` where there are `tools`",
    )
    parallel_tool_calls = optional(Bool, True, "false: the model makes at most one call.")
    reasoning_effort = optional(
        Effort,
        None,
        "How much a reasoning model reasons, for chat templates that support it; `none`: not at all; `default` or an "
        "empty text: the model's default.",
        otherwise="the model's default",
        validate=KnownEffort(),
    )
    include_reasoning = optional(Bool, True, "Return the model's reasoning as `reasoning`, next to `content`.")
    add_generation_prompt = optional(
        Bool,
        None,
        "Let the chat template begin the assistant's message.",
        otherwise="the opposite of `continue_final_message`",
    )
    continue_final_message = optional(
        Bool,
        False,
        "Continue the last message instead of answering it. Cannot be combined with `add_generation_prompt`: true.",
    )
    force_prompt = optional(
        Text,
        None,
        "An instruction that the server appends to the system message, or sends as the system message. It is never "
        "echoed, and never stored with the conversation.",
        otherwise="none",
    )
    conversation_id = optional(
        ConversationId,
        None,
        'The stored conversation that this request continues; 42 and `"42"` are the same one. Its messages are placed '
        "before `messages`. The new messages and the first choice are stored when the reply is complete. A client may "
        "also send the whole history: repeated messages are not stored twice. Each API key has its own conversations.",
        otherwise="none: nothing is stored",
    )

    @pre_load
    def _refuse_template(self, data: Any, **kwargs: Any) -> Any:
        """Refuse `chat_template`, a program that would run in the engine. If ignored, the prompt would be another."""
        if isinstance(data, dict) and data.get("chat_template") is not None:
            raise ValidationError("Not allowed: the server always uses the model's own chat template.", "chat_template")
        return data

    @pre_load
    def _rename_functions(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        return rename_functions(data)

    @validates_schema
    def _check_tools(self, data: dict[str, Any], **kwargs: Any) -> None:
        check_choice(data["tools"] or [], data["tool_choice"])
        if data["use_beam_search"] and data["tools"] and data["tool_choice"] != "none":
            raise ValidationError("Cannot be combined with `use_beam_search`.", "tools")

    @validates_schema
    def _check_template_flags(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data["continue_final_message"] and data["add_generation_prompt"]:
            raise ValidationError("Cannot be combined with `add_generation_prompt`: true.", "continue_final_message")

    @validates_schema
    def _check_logprobs(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data["top_logprobs"] and not data["logprobs"]:
            raise ValidationError("Requires `logprobs`: true.", "top_logprobs")

    def _max_tokens(self, data: dict[str, Any]) -> int | None:
        newer = data["max_completion_tokens"]
        return super()._max_tokens(data if newer is None else {"max_tokens": newer})

    def _logprobs(self, data: dict[str, Any]) -> int | None:
        return (data["top_logprobs"] or 0) if data["logprobs"] else None

    def _prompt(self, data: dict[str, Any]) -> dict[str, Any]:
        tools, choice = offered(data["tools"], data["tool_choice"])
        add_generation_prompt = data["add_generation_prompt"]
        if add_generation_prompt is None:
            add_generation_prompt = not data["continue_final_message"]
        return {
            "messages": data["messages"],
            "tools": tools,
            "tool_choice": choice,
            "parallel_tool_calls": data["parallel_tool_calls"],
            "include_reasoning": data["include_reasoning"],
            "chat_template_kwargs": {**thinking(data["reasoning_effort"]), **data["chat_template_kwargs"]},
            "add_generation_prompt": add_generation_prompt,
            "continue_final_message": data["continue_final_message"],
        }

    def _web_tier_fields(self, data: dict[str, Any]) -> dict[str, Any]:
        return {"force_prompt": data["force_prompt"], "conversation_id": data["conversation_id"]}


def thinking(effort: str | None) -> dict[str, Any]:
    """Return the template variables for `effort`: templates know `reasoning_effort` or `enable_thinking`."""
    return {} if effort is None else {"reasoning_effort": effort, "enable_thinking": effort != "none"}
